-- The Lua half of tt.frame: iteration, and files through the modules that own the formats.
local _, frame = ...

local Frame = tt.class "tt.Frame"

function Frame:rows()
    local i, n = 0, #self
    return function()
        if i == n then return nil end
        i = i + 1
        return self:row(i), i
    end
end

-- The expression sees the frame as it was, so a column of this name does not matter.
function Frame:eval(expression) return self:with({ { "value", expression } }):col("value") end

function frame.from_columns(list)
    local by_name, order = {}, {}
    for index, entry in ipairs(list) do
        local name, column = entry[1], entry[2]
        if by_name[name] then tt.error("frame.columns", ("column '%s' is given twice"):format(name), nil, 2) end
        by_name[name], order[index] = column, name
    end
    return frame.from_table(by_name, { order = order })
end

function frame.read_csv(path, opts) return require "tt.csv".read(path, opts) end
function Frame:write_csv(path, opts) return require "tt.csv".write(path, self, opts) end

function frame.read_parquet(path, opts) return require "tt.parquet".read(path, opts) end
function Frame:write_parquet(path, opts) return require "tt.parquet".write(path, self, opts) end

return frame
