--- Tables of text for people.

local function padded(text, width, right)
    local gap = (" "):rep(width - (utf8.len(text) or #text))
    return right and gap .. text or text .. gap
end

--- Lays out rows of texts as a table.
---@param rows string[][] the first one is the head
---@param right table<integer, boolean> columns that stand at the right
---@return string
return function(rows, right)
    local widths, lines = {}, {}
    for _, cells in ipairs(rows) do
        for index, cell in ipairs(cells) do
            -- Names and headers are others' words; a terminal would obey what is in them.
            cell = cell:gsub("%c", "?")
            cells[index] = cell
            widths[index] = math.max(widths[index] or 0, utf8.len(cell) or #cell)
        end
    end
    for number, cells in ipairs(rows) do
        local parts = {}
        for index, cell in ipairs(cells) do parts[index] = padded(cell, widths[index], right[index]) end
        lines[number] = table.concat(parts, "  "):gsub("%s+$", "")
    end
    return table.concat(lines, "\n") .. "\n"
end
