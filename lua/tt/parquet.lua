-- The Lua half of tt.parquet: iteration over row groups. Documented in lua/meta/tt/parquet.lua.

local _, parquet = ...

local File = tt.class "tt.ParquetFile"

function File:row_groups(opts)
    local group, count = 0, #self:row_group_heights()
    return function()
        if group == count then return nil end
        group = group + 1
        return self:read_row_group(group, opts)
    end
end

return parquet
