-- N rows of two ids, a word and a time from PostgreSQL into a frame.
local sql = require "tt.sql"
local db <close> = sql.open(os.getenv("TT_TEST_PG_DSN"))
local rows = db:read(([[
    select md5(i::text)::uuid as user_id, md5((i %% 500)::text)::uuid as item_id,
        case when i %% 3 = 0 then 'yes' else 'no' end as kind,
        timestamptz '2025-01-01' + i * interval '1 second' as at
    from generate_series(1, %d) as i]]):format(arg[1]))
assert(#rows == tonumber(arg[1]))
