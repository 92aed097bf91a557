-- Loads a MovieLens folder (ml-latest-small, ml-25m, …) into the pipeline's input tables.
--
--   tt examples/movielens.lua DIR --db sqlite:movielens.sqlite
--   tt pipeline.lua --db sqlite:movielens.sqlite --version movielens-1
--
-- From the data: ratings of 4 and more are likes, those of 2.5 and less nopes, what lies between is left out; genres
-- and the tags people gave are tags; the year in a title becomes a release date on 1 January; a profile begins a day
-- before its first rating. Ids become UUIDs that end in the MovieLens number.
--
-- Invented, since MovieLens has none: prices, durations and performers, drawn from a seed and without any relation to
-- who likes what.

local csv = require("tt.csv")
local frame = require("tt.frame")
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local random = require("tt.random")
local schema = require("two_tower.data.schema")

local given = options.parse({
    name = "movielens.lua",
    summary = "Loads a MovieLens folder into a database as the pipeline's input tables.",
    database = true,
    positional = { { name = "DIR", type = "path", help = "folder with movies.csv, ratings.csv and tags.csv" } },
    options = {
        { flag = "--seed", default = 42, help = "for what is invented" },
        { flag = "--replace", help = "drop input tables that exist" },
    },
})

local function read(name, types)
    local rows = csv.read(fs.join(given.dir, name), { types = types })
    log.info("read", json.object({ { "file", name }, { "rows", rows:height() } }))
    return rows
end

-- Distinct numbers of a column and the UUID that stands for each: `kind` tells users from movies.
local function uuids(numbers, kind)
    local list = {}
    for index, number in ipairs(numbers:to_table()) do
        list[index] = ("%s-0000-4000-8000-%012x"):format(kind, number)
    end
    return frame.from_columns({ { "number", numbers }, { "id", frame.column(list, "uuid") } })
end

local movies = read("movies.csv", { movieId = "int64", title = "string", genres = "string" })
local ratings = read("ratings.csv", { userId = "int64", movieId = "int64", rating = "float64", timestamp = "int64" })
local given_tags = read("tags.csv", { movieId = "int64", tag = "string" })

local movie_ids = uuids(movies.movieId:unique(), "00000002")
local user_ids = uuids(ratings.userId:unique(), "00000001")
local count = movies:height()
local generator = random.new(given.seed)

-- "Toy Story (1995)" and "Adventure|Animation": one pass over the movies, which are few.
local years, genres = { n = count }, { movieId = {}, tag = {} }
for index, row in ipairs(movies:to_table()) do
    local year = row.title:match("%((%d%d%d%d)%)%s*$")
    years[index] = year and year .. "-01-01T00:00:00Z" or nil
    for genre in row.genres:gmatch("[^|]+") do
        if genre ~= "(no genres listed)" then
            genres.movieId[#genres.movieId + 1] = row.movieId
            genres.tag[#genres.tag + 1] = genre
        end
    end
end

local function with_movie_id(rows, name)
    return rows:join(movie_ids, { left_on = "movieId", right_on = "number" })
        :select({ "id", name }):rename({ id = "video_id" })
end

local tags = frame.concat({
    frame.from_table(genres, { schema = { movieId = "int64", tag = "string" }, order = { "movieId", "tag" } }),
    given_tags:select({ "movieId", "tag" }):filter("tag is not null and tag <> ''"),
}):unique()

local family, first = { "Adams", "Baker", "Carter", "Dixon", "Ellis", "Foster", "Grant", "Hayes", "Irwin", "Jensen",
    "Keller", "Lang", "Mason", "Norris", "Owens", "Parker", "Quinn", "Reed", "Shaw", "Turner" }, { "Ann", "Ben", "Cora",
    "Dan", "Eve", "Finn", "Gail", "Hugo", "Iris", "Jack", "Kate", "Leo", "Mia", "Noah", "Olga", "Paul" }
local performers = {}
for _, name in ipairs(first) do
    for _, surname in ipairs(family) do performers[#performers + 1] = name .. " " .. surname end
end
local cast = frame.from_columns({
    { "movieId", movies.movieId:take(generator:integers(2 * count, 1, count)) },
    { "performer_name", frame.column(performers):take(generator:zipf(2 * count, #performers, 0.5)) },
}):unique()

local decisions = ratings:filter("rating >= 4 or rating <= 2.5")
    :join(movie_ids, { left_on = "movieId", right_on = "number" })
    :rename({ id = "video_id" })
    :join(user_ids, { left_on = "userId", right_on = "number" })
    :rename({ id = "user_id" })
    :with({
        { "decision_type", "if(rating >= 4, 'like', 'nope')" },
        { "created_at", "timestamp(timestamp * 1000000)" },
    })
local profiles = ratings:group_by({ "userId" }):agg({ { "timestamp", "min", as = "first" } })
    :join(user_ids, { left_on = "userId", right_on = "number" })
    :with({ { "created_at", "timestamp((first - 86400) * 1000000)" } })
    :rename({ id = "user_id" })

local tables = {
    { "profiles", profiles:select({ "user_id", "created_at" }) },
    { "videos", frame.from_columns({
        { "id", movie_ids.id },
        { "title", movies.title },
        { "price", (generator:normal(count, 6.5, 0.4):exp() / 10):floor() * 10 },
        { "duration_seconds", (generator:normal(count, 105, 20):clamp(40, 240) * 60):floor():cast("int64") },
        { "product_released_at", frame.column(years, "timestamp") },
    }) },
    { "video_tags", with_movie_id(tags, "tag"):rename({ tag = "tag_name" }) },
    { "video_performers", with_movie_id(cast, "performer_name") },
    { "user_video_decisions", decisions:select({ "user_id", "video_id", "decision_type", "created_at" }) },
}
local db <close> = options.open(given)
db:transaction(function()
    schema.create(db, { replace = given.replace })
    for _, entry in ipairs(tables) do
        log.info("wrote", json.object({ { "table", entry[1] },
            { "rows", db:write(schema.table_name(db, entry[1]), entry[2]) } }))
    end
end)
