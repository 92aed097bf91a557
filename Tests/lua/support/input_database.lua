-- What the tests of features and extraction share: ids, and SQLite databases of a few rows. Used by `dofile`.
local schema = require("two_tower.data.schema")
local sql = require("tt.sql")

local function id(number) return ("00000000-0000-4000-8000-%012x"):format(number) end

-- A database of the input tables with the given rows, each a list of values in the order of the columns named.
local function database(rows, options)
    local db = sql.open("sqlite::memory:")
    schema.create(db, options)
    local columns = {
        profiles = "user_id, created_at", videos = "id, price, duration_seconds, product_released_at",
        video_tags = "video_id, tag_name", video_performers = "video_id, performer_name",
        user_video_decisions = "user_id, video_id, decision_type, created_at",
    }
    for name, list in pairs(rows) do
        for _, row in ipairs(list) do
            local marks = ("?, "):rep(row.n or #row):sub(1, -3)
            db:exec(("INSERT INTO %s (%s) VALUES (%s)"):format(name, columns[name], marks), row)
        end
    end
    return db
end

return { id = id, database = database }
