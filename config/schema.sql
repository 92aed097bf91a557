-- The database of the two-tower recommender, for PostgreSQL with pgvector. This file is the one definition of the tables
-- and functions: `tt db_init.lua --pg-dsn DSN` applies it, any number of times, in one transaction; with --dry-run it
-- prints what it would run. The demo and the SQLite tables are made from the CREATE TABLE statements below, so each
-- column has a line of its own.
--
-- Filled in by db_init.lua:
--   {{embedding_dim}}    artifacts.embedding_dim of the configuration
--   {{tag_names}}        a query of (video_id, name): video_tags(video_id, tag_name), or, where the database keeps names
--   {{performer_names}}  apart, video_tags(video_id, tag_id) joined with tags(id, name); performers likewise
--
-- Everything is named with its schema, and every column with its table.

CREATE EXTENSION IF NOT EXISTS vector;

-- ---- tables

CREATE TABLE IF NOT EXISTS public.profiles (
    user_id uuid NOT NULL,
    display_name text,
    created_at timestamptz,
    PRIMARY KEY (user_id)
);

CREATE TABLE IF NOT EXISTS public.videos (
    id uuid NOT NULL,
    external_id text,
    title text,
    description text,
    thumbnail_url text,
    preview_video_url text,
    distribution_code text,
    maker_code text,
    director text,
    series text,
    maker text,
    label text,
    sample_video_url text,
    source text,
    product_url text,
    image_urls jsonb,
    price numeric,
    duration_seconds integer,
    product_released_at timestamptz,
    distribution_started_at timestamptz,
    published_at timestamptz,
    created_at timestamptz,
    safety_level smallint DEFAULT 0,
    region_codes text[] DEFAULT '{}',
    is_active boolean DEFAULT true,
    PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS public.video_tags (
    video_id uuid NOT NULL,
    tag_name text NOT NULL,
    PRIMARY KEY (video_id, tag_name)
);

CREATE TABLE IF NOT EXISTS public.video_performers (
    video_id uuid NOT NULL,
    performer_name text NOT NULL,
    PRIMARY KEY (video_id, performer_name)
);

CREATE TABLE IF NOT EXISTS public.user_video_decisions (
    user_id uuid NOT NULL,
    video_id uuid NOT NULL,
    decision_type text NOT NULL,
    created_at timestamptz,
    PRIMARY KEY (user_id, video_id)
);

CREATE TABLE IF NOT EXISTS public.video_embeddings (
    video_id uuid NOT NULL,
    embedding vector({{embedding_dim}}) NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (video_id)
);

-- ---- indexes; one is left out where another of the same kind begins with the same columns, as primary keys do

CREATE INDEX IF NOT EXISTS profiles_user_id_idx ON public.profiles (user_id);

CREATE INDEX IF NOT EXISTS videos_id_idx ON public.videos (id);

CREATE INDEX IF NOT EXISTS user_video_decisions_user_id_idx ON public.user_video_decisions (user_id);

CREATE INDEX IF NOT EXISTS user_video_decisions_created_at_idx ON public.user_video_decisions (created_at);

CREATE INDEX IF NOT EXISTS videos_created_at_idx ON public.videos (created_at);

CREATE INDEX IF NOT EXISTS video_tags_video_id_idx ON public.video_tags (video_id);

CREATE INDEX IF NOT EXISTS video_performers_video_id_idx ON public.video_performers (video_id);

CREATE INDEX IF NOT EXISTS video_embeddings_embedding_idx ON public.video_embeddings
    USING hnsw (embedding vector_cosine_ops);

-- ---- payloads: all that features depend on, see lua/two_tower/data/payloads.lua for the same in Lua
--
-- Rows are cleaned as everywhere: infinite times and numbers that are not finite are null, empty names are dropped, a name
-- counts once per video. Of a user's decisions on one video the newest counts; undated is oldest, and of equally new ones
-- the decision_type that is first by code point. Times are read and written in UTC, whatever the session's time zone.
--
-- These two hold the whole definition; the functions below ask them for one id, or for a page of ids. They touch no
-- row of other ids, so a page costs the same in a large database as in a small one. What is joined to a set of unknown
-- size is always a table with an index: the planner takes a list of ids for a short one, and would join two such sets by
-- comparing every row with every other.

CREATE OR REPLACE FUNCTION public.tt_user_payloads(p_user_ids uuid[])
RETURNS TABLE (user_id uuid, payload jsonb)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
SET search_path = ''
SET timezone = 'UTC'
AS $$
WITH effective AS (
    SELECT DISTINCT ON (d.user_id, d.video_id)
        d.user_id, d.video_id, d.decision_type::text AS decision_type,
        CASE WHEN isfinite(d.created_at) THEN d.created_at END AS decided_at
    FROM public.user_video_decisions AS d
    WHERE d.user_id = ANY (p_user_ids) AND d.video_id IS NOT NULL
    ORDER BY d.user_id, d.video_id,
        CASE WHEN isfinite(d.created_at) THEN d.created_at END DESC NULLS LAST,
        d.decision_type::text COLLATE "C"
), decided AS (
    SELECT e.user_id, e.decision_type, e.decided_at, v.id AS liked_id,
        CASE WHEN abs(v.price) <= 1.7976931348623157e308 THEN v.price END AS price -- false for NaN too
    FROM effective AS e
    LEFT JOIN public.videos AS v ON v.id = e.video_id AND e.decision_type = 'like'
), stats AS (
    SELECT d.user_id,
        count(*) FILTER (WHERE d.decision_type = 'like') AS like_count,
        count(*) FILTER (WHERE d.decision_type = 'nope') AS nope_count,
        count(*) AS decision_count,
        max(d.decided_at) FILTER (WHERE d.decision_type = 'like') AS recent_like_at,
        avg(extract(hour FROM d.decided_at)::integer) FILTER (WHERE d.decision_type = 'like') AS average_like_hour,
        avg(d.price) AS mean_price,
        -- The mid-point of the middle one counted from below and the middle one counted from above: exact in any type.
        (percentile_disc(0.5) WITHIN GROUP (ORDER BY d.price)
            + percentile_disc(0.5) WITHIN GROUP (ORDER BY d.price DESC)) * 0.5 AS median_price
    FROM decided AS d
    GROUP BY d.user_id
), tags AS (
    SELECT n.user_id, to_jsonb(array_agg(n.name ORDER BY n.name)) AS names
    FROM (
        SELECT DISTINCT d.user_id, d.liked_id, s.name COLLATE "C" AS name
        FROM decided AS d
        JOIN ({{tag_names}}) AS s ON s.video_id = d.liked_id
        WHERE s.name <> ''
    ) AS n
    GROUP BY n.user_id
), performers AS (
    SELECT n.user_id, to_jsonb(array_agg(n.name ORDER BY n.name)) AS names
    FROM (
        SELECT DISTINCT d.user_id, d.liked_id, s.name COLLATE "C" AS name
        FROM decided AS d
        JOIN ({{performer_names}}) AS s ON s.video_id = d.liked_id
        WHERE s.name <> ''
    ) AS n
    GROUP BY n.user_id
)
SELECT a.user_id, jsonb_build_object(
    'user_id', a.user_id,
    'profile', jsonb_build_object('created_at', CASE WHEN isfinite(p.created_at) THEN p.created_at END),
    'decision_stats', jsonb_build_object(
        'like_count', coalesce(s.like_count, 0),
        'nope_count', coalesce(s.nope_count, 0),
        'decision_count', coalesce(s.decision_count, 0),
        'recent_like_at', s.recent_like_at,
        'average_like_hour', coalesce(s.average_like_hour, 12.0)),
    'price_stats', jsonb_build_object('mean', coalesce(s.mean_price, 0), 'median', coalesce(s.median_price, 0)),
    'tags', coalesce(t.names, '[]'),
    'performers', coalesce(f.names, '[]'))
FROM unnest(p_user_ids) AS a (user_id)
LEFT JOIN public.profiles AS p ON p.user_id = a.user_id
LEFT JOIN stats AS s ON s.user_id = a.user_id
LEFT JOIN tags AS t ON t.user_id = a.user_id
LEFT JOIN performers AS f ON f.user_id = a.user_id
ORDER BY a.user_id
$$;

CREATE OR REPLACE FUNCTION public.tt_item_payloads(p_video_ids uuid[])
RETURNS TABLE (video_id uuid, payload jsonb)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
SET search_path = ''
SET timezone = 'UTC'
AS $$
SELECT a.video_id, jsonb_build_object(
    'video_id', a.video_id,
    'price', CASE WHEN abs(v.price) <= 1.7976931348623157e308 THEN v.price END,
    'duration_seconds', v.duration_seconds,
    'product_released_at', CASE WHEN isfinite(v.product_released_at) THEN v.product_released_at END,
    'distribution_started_at', CASE WHEN isfinite(v.distribution_started_at) THEN v.distribution_started_at END,
    'safety_level', v.safety_level,
    'region_codes', coalesce(to_jsonb(v.region_codes), '[]'),
    'tags', to_jsonb(ARRAY(
        SELECT DISTINCT s.name COLLATE "C"
        FROM ({{tag_names}}) AS s WHERE s.video_id = v.id AND s.name <> '' ORDER BY 1)),
    'performers', to_jsonb(ARRAY(
        SELECT DISTINCT s.name COLLATE "C"
        FROM ({{performer_names}}) AS s WHERE s.video_id = v.id AND s.name <> '' ORDER BY 1)))
FROM unnest(p_video_ids) AS a (video_id)
LEFT JOIN public.videos AS v ON v.id = a.video_id
ORDER BY a.video_id
$$;

-- ---- the functions that callers use; an unknown id gives a payload of defaults

CREATE OR REPLACE FUNCTION public.get_user_embedding_features(user_id uuid)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
AS $$
SELECT f.payload FROM public.tt_user_payloads(ARRAY[get_user_embedding_features.user_id]) AS f
$$;

CREATE OR REPLACE FUNCTION public.get_item_embedding_features(video_id uuid)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
AS $$
SELECT f.payload FROM public.tt_item_payloads(ARRAY[get_item_embedding_features.video_id]) AS f
$$;

CREATE OR REPLACE FUNCTION public.get_user_embedding_feature_batch(p_limit integer DEFAULT 100, p_offset integer DEFAULT 0)
RETURNS TABLE (user_id uuid, payload jsonb)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
SET search_path = ''
AS $$
SELECT f.user_id, f.payload
FROM public.tt_user_payloads(ARRAY(
    SELECT DISTINCT d.user_id
    FROM public.user_video_decisions AS d
    WHERE d.user_id IS NOT NULL
    ORDER BY d.user_id
    LIMIT least(greatest(coalesce(p_limit, 100), 1), 1000)
    OFFSET greatest(coalesce(p_offset, 0), 0))) AS f
$$;

CREATE OR REPLACE FUNCTION public.get_item_embedding_feature_batch(p_limit integer DEFAULT 100, p_offset integer DEFAULT 0)
RETURNS TABLE (video_id uuid, payload jsonb)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
SET search_path = ''
AS $$
SELECT f.video_id, f.payload
FROM public.tt_item_payloads(ARRAY(
    SELECT v.id
    FROM public.videos AS v
    WHERE v.is_active AND v.id IS NOT NULL
    ORDER BY v.id
    LIMIT least(greatest(coalesce(p_limit, 100), 1), 1000)
    OFFSET greatest(coalesce(p_offset, 0), 0))) AS f
$$;

-- ---- on Supabase (where there is a role service_role): the functions run with the caller's rights, so row level
-- security decides which rows a signed-in user sees; visitors that are not signed in may call none, and pages are for
-- the service role alone. The service role may do everything with the tables, as sync and upload need.

DO $grants$
DECLARE
    by_id CONSTANT text := 'public.tt_user_payloads(uuid[]), public.tt_item_payloads(uuid[]), '
        'public.get_user_embedding_features(uuid), public.get_item_embedding_features(uuid)';
    pages CONSTANT text := 'public.get_user_embedding_feature_batch(integer, integer), '
        'public.get_item_embedding_feature_batch(integer, integer)';
BEGIN
    IF to_regrole('service_role') IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE ALL ON FUNCTION %s, %s FROM PUBLIC', by_id, pages);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s, %s TO service_role', by_id, pages);
    GRANT SELECT, INSERT, UPDATE, DELETE ON
        public.profiles, public.videos, public.video_tags, public.video_performers,
        public.user_video_decisions, public.video_embeddings TO service_role;
    IF to_regrole('anon') IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON FUNCTION %s, %s FROM anon', by_id, pages);
    END IF;
    IF to_regrole('authenticated') IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM authenticated', pages);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO authenticated', by_id);
    END IF;
END
$grants$;
