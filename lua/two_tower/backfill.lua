--- What a backfill reads: the videos of a range of dates, and their vectors window by window.

local checkpoint = require("two_tower.bundle.checkpoint")
local embedding = require("two_tower.bundle.embedding")
local extract = require("two_tower.data.extract")
local features = require("tt.features")
local frame = require("tt.frame")
local time = require("tt.time")

local backfill = {}

--- The label of the window of videos without a time.
backfill.UNDATED = "undated"

---@class two_tower.BackfillSource
---@field rows integer videos in all windows
---@field undated integer videos that have no time and are left out
local Source = {}
Source.__index = Source
Source.__close = function(self) self.db:close() end

--- Cuts a range into windows. Without an end it is that of the last whole window before now.
---
--- Raises `usage` for dates and durations that cannot be read.
---@param since string
---@param until_ string|nil
---@param chunk string as `time.duration` reads it
---@param undated boolean with one more window, of the videos that have no time
---@return tt.time.Window[]
function backfill.windows(since, until_, chunk, undated)
    local ok, list = pcall(function()
        local step, from = time.duration(chunk), time.parse(since)
        local stop = until_ or from and step > 0 and from + (time.now() - from) // step * step or since
        return time.windows(since, stop, step)
    end)
    if not ok then tt.error("usage", list.message or list) end
    local stop = list[#list].to
    if undated then list[#list + 1] = { label = backfill.UNDATED, from = stop, to = stop } end
    return list
end

--- Reads the videos of some windows and the names they carry. Takes over the connection.
---@param db tt.Database
---@param set two_tower.FeatureSet
---@param windows tt.time.Window[] ascending
---@param column string the time of `videos` that counts
---@return two_tower.BackfillSource
function backfill.read(db, set, windows, column)
    local with_undated = windows[#windows].label == backfill.UNDATED
    local data = extract.items(db, set, nil, { column = column, from = windows[1].from, to = windows[#windows].to,
        undated = with_undated })
    return setmetatable({ db = db, set = set, data = data, rows = #data.videos,
        undated = with_undated and 0 or extract.undated(db, column) }, Source)
end

--- The videos of a window.
---@param window tt.time.Window
---@return tt.Frame
function Source:videos(window)
    return self.data.videos:filter(window.label == backfill.UNDATED and "at is null"
        or ("at >= timestamp(%d) and at < timestamp(%d)"):format(window.from, window.to))
end

--- Says with which model vectors are made.
---@param loaded two_tower.Loaded
function Source:use(loaded)
    self.loaded, self.tower = loaded, checkpoint.tower(loaded, "item")
    if not loaded.has_item_reference then
        self.newest = extract.videos(self.db, self.set).product_released_at:max()
    end
end

--- The vectors of a window's videos, the same bits that the embedding stage writes.
---@param window tt.time.Window
---@return tt.Frame rows video_id, embedding
function Source:vectors(window)
    local part = { videos = self:videos(window), lists = {} }
    local count = #part.videos
    if count == 0 then
        return frame.from_columns({ { "video_id", part.videos.id },
            { "embedding", frame.column({}, "list<float32>") } })
    end
    for name, list in pairs(self.data.lists) do
        part.lists[name] = list:join(part.videos, { left_on = "owner", right_on = "id", how = "semi" })
    end
    local store = embedding.store(self.loaded, self.set, part, self.newest)
    local vectors = embedding.run(self.tower, store:matrix(), part.videos.id)
    return frame.from_columns({ { "video_id", part.videos.id },
        { "embedding", features.to_column(vectors(1, count)) } })
end

return backfill
