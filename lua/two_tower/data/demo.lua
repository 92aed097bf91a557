--- A made-up catalogue and its users, as frames. Taste is planted: every video belongs to a genre, most of its tags and
--- performers are of that genre, and every user likes some genres and dislikes others.

local frame = require("tt.frame")
local random = require("tt.random")
local time = require("tt.time")

local demo = {}

local GENRES = 12
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

-- Which of `pool` names stand on which videos: pairs of a video and a name, each once. Names belong to genres in turn;
-- three of four on a video are of its own genre.
local function placed(generator, genre, pool, per_video)
    local videos = #genre
    local count = math.floor(videos * per_video)
    local video = generator:integers(count, 1, videos)
    return frame.from_columns({
        { "video", video }, { "genre", genre:take(video) },
        { "any", generator:zipf(count, pool, 0.6) }, { "rank", generator:zipf(count, pool // GENRES, 0.6) },
        { "typical", generator:bools(count, 0.75) },
    }):with({ { "name", ("if(typical, (rank - 1) * %d + genre, any)"):format(GENRES) } })
        :select({ "video", "name" }):unique()
end

-- Null in a share of the rows.
local function with_nulls(generator, column, share)
    return frame.from_columns({ { "value", column }, { "gone", generator:bools(#column, share) } })
        :with({ { "value", "if(gone, null, value)" } }).value
end

-- Who decided on what, and how: active users and popular videos turn up more often, and people mostly meet what they
-- may like. Rounds of candidates are drawn until there are `count` different pairs.
local function decided(options)
    local generator, users, videos, genre = options.generator, options.users, options.videos, options.genre
    -- One number per user and genre; and what makes a video good whoever looks at it.
    local taste, quality = generator:normal(users * GENRES), generator:normal(videos)
    local active, popular = generator:permutation(users), generator:permutation(videos)
    local count = math.min(options.count, users * videos // 2)
    local list
    repeat
        local draws = 2 * count + 1000
        local user = active:take(generator:zipf(draws, users, 0.5))
        local video = popular:take(generator:zipf(draws, videos, 0.5))
        local drawn = frame.from_columns({
            { "user", user }, { "video", video },
            { "taste", taste:take((user - 1) * GENRES + genre:take(video)) },
            { "quality", quality:take(video) },
            { "chance", generator:uniform(draws) }, { "luck", generator:uniform(draws) },
        }):filter("chance < 0.15 + 0.85 / (1 + exp(2 - 3 * taste))")
            :with({ { "liked", "luck < 1 / (1 + exp(3 - 4 * taste - 0.6 * quality))" } })
            :select({ "user", "video", "liked" })
        list = (list and frame.concat({ list, drawn }) or drawn):unique({ "user", "video" })
    until list:height() >= count
    return list:head(count)
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
function demo.make(options)
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
    local genre = generator:zipf(videos, GENRES, 0.4)
    local tag_names = names(math.max(2 * GENRES, math.min(400, videos // 40)), TAGS)
    local performer_names = names(math.max(2 * GENRES, math.min(4000, videos // 15)), FAMILY, GIVEN)
    local tags = placed(generator, genre, #tag_names, 4.5)
    local performers = placed(generator, genre, #performer_names, 1.6)
    local released = moments(videos, 2000, 0)

    local list = decided({ generator = generator, users = users, videos = videos, genre = genre,
        count = messy and decisions - decisions // 100 or decisions })
    local rows = list:height()
    list = list:with({
        { "user_id", user_ids:take(list.user) }, { "video_id", video_ids:take(list.video) },
        { "odd", generator:bools(rows, share(0.02)) }, { "lost", generator:bools(rows, share(0.003)) },
        { "other_id", generator:uuids(rows) },
        { "created_at", with_nulls(generator, moments(rows, 365, 0), share(0.01)) },
    }):with({
        { "decision_type", "if(odd, 'watched', if(liked, 'like', 'nope'))" },
        { "video_id", "if(lost, other_id, video_id)" },
    }):select({ "user_id", "video_id", "decision_type", "created_at" })
    if messy then
        -- Some change their mind, before or after the decision they are known for.
        local changed = list:sample(math.min(decisions - rows, rows), { seed = options.seed })
        list = frame.concat({ list, changed:with({
            { "decision_type", "if(decision_type == 'like', 'nope', 'like')" },
            { "created_at", moments(#changed, 365, 0) },
        }) })
    end

    local function named(pairs_of, pool, column)
        local all = frame.from_columns({ { "video_id", video_ids:take(pairs_of.video) },
            { column, pool:take(pairs_of.name) } })
        if not messy then return all end
        -- Some names stand twice on a video, a few are empty, and a few belong to videos that are gone.
        local twice = all:sample(math.ceil(#all * 0.01), { seed = options.seed })
        local orphans = all:head(20)
        orphans = orphans:with({ { "video_id", generator:uuids(#orphans) } })
        return frame.concat({ all, twice, all:head(3):with({ { column, "''" } }), orphans })
    end

    local profiles = frame.from_columns({
        { "user_id", user_ids },
        { "display_name", names(400, FAMILY, GIVEN):take(generator:integers(users, 1, 400)) },
        { "created_at", with_nulls(generator, moments(users, 900, 365), share(0.03)) },
        { "gone", generator:bools(users, share(0.02)) },
    }):filter("not gone"):drop({ "gone" })
    local titles = names(256, FIRST, SECOND)
    return {
        profiles = profiles,
        videos = frame.from_columns({
            { "id", video_ids },
            { "title", titles:take(generator:integers(videos, 1, 256)) },
            { "maker", names(20, FAMILY):take(generator:integers(videos, 1, 20)) },
            { "price", with_nulls(generator, (generator:normal(videos, 7.3, 0.5):exp() * 2):floor() / 2, share(0.05)) },
            { "duration_seconds", with_nulls(generator, generator:integers(videos, 600, 10800), share(0.04)) },
            { "product_released_at", with_nulls(generator, released, share(0.06)) },
            { "distribution_started_at", released },
            { "created_at", released },
            { "is_active", ~generator:bools(videos, 0.05) },
        }),
        video_tags = named(tags, tag_names, "tag_name"),
        video_performers = named(performers, performer_names, "performer_name"),
        user_video_decisions = list,
    }
end

return demo
