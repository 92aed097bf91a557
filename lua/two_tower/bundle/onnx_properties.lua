--- The metadata properties of an ONNX file, which say what model and schema it belongs to.

local fs = require("tt.fs")

local onnx_properties = {}

-- Fields of protobuf messages: ModelProto.metadata_props is a list of StringStringEntryProto.
local METADATA, KEY, VALUE = 14, 1, 2

-- Raised for bytes that are no such message.
local NO_MODEL = {}

local function varint(bytes, at)
    local value, shift = 0, 0
    while shift < 64 do
        local byte = bytes:byte(at)
        if not byte then break end
        value = value | (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80 then return value, at end
    end
    error(NO_MODEL)
end

-- Calls `each(field, first, last)` for every field with a length between two positions; skips the others.
local function walk(bytes, from, to, each)
    local at = from
    while at <= to do
        local tag, size
        tag, at = varint(bytes, at)
        local wire = tag & 7
        if wire == 0 then
            local _
            _, at = varint(bytes, at)
        elseif wire == 1 then
            at = at + 8
        elseif wire == 5 then
            at = at + 4
        elseif wire == 2 then
            size, at = varint(bytes, at)
            if size < 0 or size > to - at + 1 then error(NO_MODEL) end
            each(tag >> 3, at, at + size - 1)
            at = at + size
        else
            error(NO_MODEL)
        end
    end
    if at ~= to + 1 then error(NO_MODEL) end
end

--- Reads the metadata properties.
---@param path string
---@return table<string, string>|nil properties nil when the file is no ONNX model
function onnx_properties.read(path)
    local bytes, properties = fs.read(path), {}
    local ok, problem = pcall(walk, bytes, 1, #bytes, function(field, first, last)
        if field ~= METADATA then return end
        local entry = {}
        walk(bytes, first, last, function(part, from, to) entry[part] = bytes:sub(from, to) end)
        properties[entry[KEY] or ""] = entry[VALUE] or ""
    end)
    if not ok and problem ~= NO_MODEL then error(problem, 0) end
    return ok and #bytes > 0 and properties or nil
end

return onnx_properties
