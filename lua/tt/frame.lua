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

function frame.read_csv(path, opts) return require "tt.csv".read(path, opts) end
function Frame:write_csv(path, opts) return require "tt.csv".write(path, self, opts) end

function frame.read_parquet(path, opts) return require "tt.parquet".read(path, opts) end
function Frame:write_parquet(path, opts) return require "tt.parquet".write(path, self, opts) end

return frame
