--- A made-up catalogue and its users, as frames. Taste is planted: tags and performers have positions in a space of a
--- few dimensions, a video stands where its names are, a user likes what lies in the direction of the user's own taste.

local columns = require("two_tower.columns")
local frame = require("tt.frame")
local random = require("tt.random")
local time = require("tt.time")

local demo_data = {}

local DIMENSIONS = 8
local DAY = 86400 * 1000000

local TAGS = { "drama", "comedy", "ドラマ", "恋愛", "thriller", "時代劇", "travel", "旅行", "documentary", "音楽", "cooking",
    "料理", "sport", "スポーツ", "history", "歴史", "science", "科学", "animation", "アニメ", "mystery", "ミステリー",
    "family", "家族", "nature", "自然", "war", "戦争", "dance", "ダンス", "city", "夜景", "sea", "海", "mountain", "山",
    "winter", "冬", "summer", "夏" }
local FAMILY = { "佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "Sato", "Suzuki", "Ito",
    "Mori", "Abe", "Ono", "Kato", "Hara", "Ueda", "Maeda" }
local GIVEN = { "花", "陽菜", "結衣", "葵", "凛", "Hana", "Yui", "Aoi", "Rin", "Mei", "蓮", "翔", "樹", "Ren", "Sho",
    "Itsuki", "Daiki", "Naoko", "Emi", "Ken" }
local FIRST = { "The Last", "A Quiet", "Seven", "Beyond the", "春の", "夏の", "秋の", "冬の", "Return of the", "Under the",
    "One", "Midnight", "遠い", "青い", "Golden", "Lost" }
local SECOND = { "Summer", "River", "Letters", "物語", "Garden", "Train", "約束", "Island", "記憶", "Window", "Lantern",
    "休日", "Harbour", "手紙", "Voyage", "街" }

-- count names out of words: alone, or paired; a number tells later rounds apart.
local function names(count, words, others)
    local base = {}
    for _, word in ipairs(words) do
        if others then
            for _, other in ipairs(others) do base[#base + 1] = word .. " " .. other end
        else
            base[#base + 1] = word
        end
    end
    local list = {}
    for index = 1, count do
        local round = (index - 1) // #base
        list[index] = base[(index - 1) % #base + 1] .. (round > 0 and " " .. round + 1 or "")
    end
    return frame.column(list, "string")
end

-- Names f1 … f8.
local function each_dimension(make)
    local list = {}
    for dimension = 1, DIMENSIONS do list[dimension] = make("f" .. dimension) end
    return list
end

local function factors(generator, count)
    return columns.frame(each_dimension(function(name) return { name, generator:normal(count) } end))
end

-- Which names stand on which videos, and the mean position of each video's names.
local function placed(generator, videos, options)
    local pool, positions = options.names, factors(generator, #options.names)
    local count = math.floor(videos * options.per_video)
    local pairs_ = columns.frame({
        { "video", generator:integers(count, 1, videos) },
        { "name", generator:zipf(count, #pool, 0.6) },
    }):unique()
    local at = columns.frame({ { "video", pairs_.video } })
    local means = {}
    for dimension = 1, DIMENSIONS do
        local name = "f" .. dimension
        at = at:with({ { name, positions[name]:take(pairs_.name) } })
        means[dimension] = { name, "mean", as = name }
    end
    return pairs_, at:group_by({ "video" }):agg(means)
end

-- Null in a share of the rows.
local function with_nulls(generator, column, share)
    return columns.frame({ { "value", column }, { "gone", generator:bools(#column, share) } })
        :with({ { "value", "if(gone, null, value)" } }).value
end

---@class two_tower.DemoOptions
---@field seed integer
---@field users integer
---@field videos integer
---@field decisions integer
---@field clean? boolean leave out what real databases hold and a demo need not: repeats, flips, missing rows, odd types

--- Makes the tables' contents.
---@param options two_tower.DemoOptions
---@return table<string, tt.Frame> by table name
function demo_data.make(options)
    local messy = not options.clean
    local share = function(part) return messy and part or 0 end
    local users, videos, decisions = options.users, options.videos, options.decisions
    local generator = random.new(options.seed)
    local last_day = time.parse("2025-06-01T00:00:00Z")
    local function moments(count, oldest_days, newest_days)
        return generator:integers(count, last_day - oldest_days * DAY, last_day - newest_days * DAY)
            :cast("timestamp")
    end

    local video_ids, user_ids = generator:uuids(videos), generator:uuids(users)
    local tags, tag_places = placed(generator, videos, { per_video = 4.5,
        names = names(math.max(20, math.min(400, videos // 40)), TAGS) })
    local performers, performer_places = placed(generator, videos, { per_video = 1.6,
        names = names(math.max(20, math.min(4000, videos // 15)), FAMILY, GIVEN) })
    local released = moments(videos, 2000, 0)

    -- A video stands between its tags and its performers; one without names stands in the middle.
    local places = columns.frame({ { "video", generator:permutation(videos):sort() } })
        :join(tag_places, { on = "video", how = "left" })
        :join(performer_places, { on = "video", how = "left", suffix = "_p" })
    for dimension = 1, DIMENSIONS do
        local name = "f" .. dimension
        places = places:with({ { name, ("coalesce(%s, 0.0) + 0.7 * coalesce(%s_p, 0.0)"):format(name, name) } })
    end
    local taste = factors(generator, users)
    local quality = generator:normal(videos)

    -- Who decided on what: active users and popular videos turn up more often.
    local busy = generator:permutation(users):take(generator:zipf(decisions, users, 0.5))
    local popular = generator:permutation(videos):take(generator:zipf(decisions, videos, 0.5))
    local pairs_ = columns.frame({ { "user", busy }, { "video", popular } })
    local attraction = quality:take(popular) * 0.5 - 1.0
    for dimension = 1, DIMENSIONS do
        local name = "f" .. dimension
        attraction = attraction + taste[name]:take(busy) * places[name]:take(popular) * 1.2
    end
    pairs_ = pairs_:with({
        { "attraction", attraction }, { "luck", generator:uniform(decisions) },
        { "odd", generator:bools(decisions, share(0.02)) }, { "lost", generator:bools(decisions, share(0.003)) },
        { "other_id", generator:uuids(decisions) },
        { "user_id", user_ids:take(busy) }, { "video_id", video_ids:take(popular) },
        { "created_at", with_nulls(generator, moments(decisions, 365, 0), share(0.01)) },
    }):with({
        { "decision_type", "if(odd, 'watched', if(luck < 1 / (1 + exp(-attraction)), 'like', 'nope'))" },
        { "video_id", "if(lost, other_id, video_id)" },
    })
    if options.clean then pairs_ = pairs_:unique({ "user", "video" }) end

    local function named(pairs_of, pool, column)
        local list = columns.frame({ { "video_id", video_ids:take(pairs_of.video) },
            { column, pool:take(pairs_of.name) } })
        if not messy then return list end
        -- Some names stand twice on a video, and a few are empty.
        local twice = list:sample(math.ceil(#list * 0.01), { seed = options.seed })
        local empty = list:head(3):with({ { column, "''" } })
        return frame.concat({ list, twice, empty })
    end

    local profiles = columns.frame({
        { "user_id", user_ids },
        { "display_name", names(400, FAMILY, GIVEN):take(generator:integers(users, 1, 400)) },
        { "created_at", with_nulls(generator, moments(users, 900, 365), share(0.03)) },
        { "gone", generator:bools(users, share(0.02)) },
    }):filter("not gone"):drop({ "gone" })
    local titles = names(256, FIRST, SECOND)
    return {
        profiles = profiles,
        videos = columns.frame({
            { "id", video_ids },
            { "title", titles:take(generator:integers(videos, 1, 256)) },
            { "maker", names(20, FAMILY):take(generator:integers(videos, 1, 20)) },
            { "price", with_nulls(generator, (generator:normal(videos, 7.3, 0.5):exp() * 2):floor() / 2, share(0.05)) },
            { "duration_seconds", with_nulls(generator, generator:integers(videos, 600, 10800), share(0.04)) },
            { "product_released_at", with_nulls(generator, released, share(0.06)) },
            { "distribution_started_at", released },
            { "is_active", ~generator:bools(videos, 0.05) },
        }),
        video_tags = named(tags, names(math.max(20, math.min(400, videos // 40)), TAGS), "tag_name"),
        video_performers = named(performers,
            names(math.max(20, math.min(4000, videos // 15)), FAMILY, GIVEN), "performer_name"),
        user_video_decisions = pairs_:select({ "user_id", "video_id", "decision_type", "created_at" }),
    }
end

return demo_data
