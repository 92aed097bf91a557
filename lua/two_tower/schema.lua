--- The input tables: their definition on both databases, for scripts that make a database to run on.

local schema = {}

-- name, PostgreSQL type, SQLite type, default and not-null clauses
local TABLES = {
    { name = "profiles", key = { "user_id" }, columns = {
        { "user_id", "uuid", "TEXT", "NOT NULL" },
        { "display_name", "text", "TEXT" },
        { "created_at", "timestamptz", "TEXT" },
    } },
    { name = "videos", key = { "id" }, columns = {
        { "id", "uuid", "TEXT", "NOT NULL" },
        { "external_id", "text", "TEXT" }, { "title", "text", "TEXT" }, { "description", "text", "TEXT" },
        { "thumbnail_url", "text", "TEXT" }, { "preview_video_url", "text", "TEXT" },
        { "distribution_code", "text", "TEXT" }, { "maker_code", "text", "TEXT" }, { "director", "text", "TEXT" },
        { "series", "text", "TEXT" }, { "maker", "text", "TEXT" }, { "label", "text", "TEXT" },
        { "sample_video_url", "text", "TEXT" }, { "source", "text", "TEXT" }, { "product_url", "text", "TEXT" },
        { "image_urls", "jsonb", "TEXT" },
        { "price", "numeric", "NUMERIC" }, { "duration_seconds", "integer", "INTEGER" },
        { "product_released_at", "timestamptz", "TEXT" }, { "distribution_started_at", "timestamptz", "TEXT" },
        { "published_at", "timestamptz", "TEXT" }, { "created_at", "timestamptz", "TEXT" },
        { "safety_level", "smallint", "INTEGER", "DEFAULT 0" },
        { "region_codes", "text[]", "TEXT", "DEFAULT '{}'", "DEFAULT '[]'" },
        { "is_active", "boolean", "BOOLEAN", "DEFAULT true", "DEFAULT 1" },
    } },
    { name = "video_tags", key = { "video_id", "tag_name" }, columns = {
        { "video_id", "uuid", "TEXT", "NOT NULL" }, { "tag_name", "text", "TEXT", "NOT NULL" },
    } },
    { name = "video_performers", key = { "video_id", "performer_name" }, columns = {
        { "video_id", "uuid", "TEXT", "NOT NULL" }, { "performer_name", "text", "TEXT", "NOT NULL" },
    } },
    { name = "user_video_decisions", key = { "user_id", "video_id" }, columns = {
        { "user_id", "uuid", "TEXT", "NOT NULL" }, { "video_id", "uuid", "TEXT", "NOT NULL" },
        { "decision_type", "text", "TEXT", "NOT NULL" }, { "created_at", "timestamptz", "TEXT" },
    } },
}

local function prefix(db) return db:dialect() == "sqlite" and "" or "public." end

--- The name of a table as statements and `db:write` take it.
---@param db tt.Database
---@param name string
---@return string
function schema.table_name(db, name) return prefix(db) .. name end

--- Makes the empty input tables.
---@param db tt.Database
---@param options? { replace?: boolean, keys?: boolean } `replace` drops tables of these names first, else they are an
---  error; `keys = false` leaves out primary keys, as some databases do that hold every repeat of a decision
function schema.create(db, options)
    options = options or {}
    local present = {}
    for _, name in ipairs(db:tables()) do present[name] = true end
    local at = db:dialect() == "sqlite" and 3 or 2
    for _, definition in ipairs(TABLES) do
        if present[definition.name] then
            if not options.replace then
                tt.error("schema.exists", ("the database has a table '%s' already; with --replace the input tables "
                    .. "are dropped and made anew"):format(definition.name), { table = definition.name })
            end
            db:exec("DROP TABLE " .. prefix(db) .. definition.name)
        end
        local lines = {}
        for _, column in ipairs(definition.columns) do
            local extra = at == 3 and (column[5] or column[4]) or column[4]
            lines[#lines + 1] = ("%s %s%s"):format(column[1], column[at], extra and " " .. extra or "")
        end
        if options.keys ~= false then
            lines[#lines + 1] = ("PRIMARY KEY (%s)"):format(table.concat(definition.key, ", "))
        end
        db:exec(("CREATE TABLE %s%s (%s)"):format(prefix(db), definition.name, table.concat(lines, ", ")))
    end
end

return schema
