--- What is true of vectors wherever they are: in an embeddings file, in a table, on their way from one to the other.

local frame = require("tt.frame")
local features = require("tt.features")

local vectors = {}

--- The table that serving reads.
vectors.TABLE = "video_embeddings"

-- How far from 1 a vector's length may be.
local UNIT = 1e-4
-- How far a number that was stored may be from the one that was sent.
local STORED = 1e-6

--- Finds the first row of a matrix that is no unit vector.
---@param tensor tt.Tensor (n, e)
---@return integer|nil row
---@return number|nil length
function vectors.first_not_unit(tensor)
    if tensor:size(1) == 0 then return nil end
    local squares = frame.from_columns({ { "square", features.to_column(tensor:dot(tensor)) } })
    -- A comparison with NaN is false, so a row that holds one is found too.
    local fine = squares:eval(("abs(sqrt(float(square)) - 1) <= %s"):format(UNIT))
    if fine:sum() == #fine then return nil end
    local row = vectors.first(fine, false)
    return row, tensor:slice(1, row, row):norm()
end

--- Finds the first row of a bool column with a value. It reads the column row by row: for messages.
---@param flags tt.Column
---@param value boolean
---@return integer|nil row
function vectors.first(flags, value)
    for row = 1, #flags do
        if flags[row] == value then return row end
    end
end

--- Raises `vectors.dimension`: the table takes vectors of another length.
---@param stored integer the table's
---@param given integer the model's
function vectors.refuse_dimension(stored, given)
    tt.error("vectors.dimension", ("the table '%s' holds vectors of %d numbers, the model gives %d; nothing was "
        .. "written. Migrate the table first: TRUNCATE public.%s; ALTER TABLE public.%s ALTER COLUMN embedding "
        .. "TYPE vector(%d);")
        :format(vectors.TABLE, stored, given, vectors.TABLE, vectors.TABLE, given),
        { table = vectors.TABLE, stored = stored, given = given }, 2)
end

--- Compares what a table holds with what was sent.
---
--- Raises `vectors.mismatch` naming the first id that is missing or differs.
---@param sent tt.Frame video_id uuid, embedding
---@param stored tt.Frame the same ids as the table has them, in any order
function vectors.compare(sent, stored)
    local function refuse(id, what)
        tt.error("vectors.mismatch", ("the table '%s' does not hold what was sent: the vector of %s %s"):format(
            vectors.TABLE, id, what), { table = vectors.TABLE, id = id }, 2)
    end
    if #sent == 0 then return end
    stored = stored:filter("embedding is not null")
    local missing = sent:join(stored, { on = "video_id", how = "anti" })
    if #missing > 0 then refuse(missing.video_id[1], "is missing") end
    local both = sent:join(stored:rename({ embedding = "stored" }), { on = "video_id" })
    local uneven = both.embedding:len():ne(both.stored:len())
    if uneven:sum() > 0 then
        local row = vectors.first(uneven, true)
        refuse(both.video_id[row], ("has %d numbers there"):format(#both.stored[row]))
    end
    local gap = features.to_column(
        (features.to_tensor(both.embedding) - features.to_tensor(both.stored)):abs():max(2))
    if gap:max() > STORED then
        local row = vectors.first(gap:gt(STORED), true)
        refuse(both.video_id[row], ("differs by %.3g"):format(gap[row]))
    end
end

return vectors
