"""A development server that speaks the subset of PostgREST and Supabase Storage that tt uses, over a real PostgreSQL.

The modules, from the socket inwards: `cli` starts and stops, `app` is the HTTP server, `faults` makes it misbehave,
`auth` checks keys; `postgrest` answers /rest/v1 with `query` (reads URLs), `catalog` (knows the tables) and `sql`
(writes statements); `storage` answers /storage/v1 with `tus` (resumable uploads) and `objects` (what lies on disk);
`database` holds connections and the deployed schema, `seed` fills it.
"""
