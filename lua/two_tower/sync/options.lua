--- The flags of a sync, for the scripts that run one.

local time = require("tt.time")

local sync_options = {}

local FLAGS = {
    { flag = "--page-size", aliases = { "--remote-page-size" }, type = "int", min = 1, max = 10000,
        help = "rows per request (default: 1000)" },
    { flag = "--since", value = "TIME", help = "fetch only rows created since then (2025-01-31T12:00:00Z), or since "
        .. "the last sync of this project was begun ('last'); goes by created_at, so rows without one and changes of "
        .. "older rows are not seen: run without --since now and then" },
    { flag = "--overlap", value = "DURATION",
        help = "how far --since is taken back, for rows that came late (90s, 30m, 1h, 1d; default: 1h)" },
    { flag = "--full", help = "also delete local rows that the project does not have" },
    { flag = "--live", help = "for a project in use: leave out rows created after the sync began, instead of reading "
        .. "tables anew until they hold still" },
    { flag = "--restart", help = "forget an interrupted sync instead of going on with it" },
}

--- The flags' declarations.
---@param condition? string added to each help text
---@return table[]
function sync_options.flags(condition)
    local list = {}
    for index, flag in ipairs(FLAGS) do
        list[index] = {}
        for name, value in pairs(flag) do list[index][name] = value end
        if condition then list[index].help = condition .. flag.help end
    end
    return list
end

--- What the flags say, as `sync.run` takes it; wrong usage is an error.
---@param given table
---@return two_tower.SyncOptions
function sync_options.read(given)
    local since = given.since
    if since and since ~= "last" then
        since = time.parse(since) or tt.error("usage", ("--since must be a time such as 2025-01-31T12:00:00Z, or "
            .. "'last', not '%s'"):format(since))
    end
    if since and given.full then
        tt.error("usage", "--full and --since exclude each other: rows that are not fetched would be taken for deleted")
    end
    if given.overlap and not since then tt.error("usage", "--overlap is of no use without --since") end
    local overlap
    if given.overlap then
        local ok, result = pcall(time.duration, given.overlap)
        if not ok then tt.error("usage", "--overlap: " .. result.message) end
        overlap = result
    end
    return { page_size = given.page_size, since = since, overlap = overlap, full = given.full, live = given.live,
        restart = given.restart }
end

--- The flags' names.
---@type string[]
sync_options.NAMES = {}
for index, flag in ipairs(FLAGS) do sync_options.NAMES[index] = flag.flag end

return sync_options
