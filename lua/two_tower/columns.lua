--- Small helpers over frames.

local frame = require("tt.frame")

local columns = {}

--- A frame of columns in the given order.
---@param list table[] pairs of a name and a column
---@return tt.Frame
function columns.frame(list)
    local by_name, order = {}, {}
    for index, entry in ipairs(list) do
        by_name[entry[1]] = entry[2]
        order[index] = entry[1]
    end
    return frame.from_table(by_name, { order = order })
end

--- The value of an expression for every row.
---@param rows tt.Frame
---@param expression string
---@return tt.Column
function columns.eval(rows, expression)
    return rows:with({ { "the value", expression } }):col("the value")
end

return columns
