local t = require "tt.test"
local hash = require "tt.hash"
local frame = require "tt.frame"

t.test("known digests", function()
    t.equal(hash.sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    t.equal(hash.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    t.equal(hash.sha256("\0"), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
end)

t.test("files", function()
    local path = tt.fs.join(t.tmpdir(), "a")
    tt.fs.write(path, ("x"):rep(3000000))
    t.equal(hash.sha256_file(path), hash.sha256(("x"):rep(3000000)))
    t.error("fs.not_found", hash.sha256_file, path .. "y")
end)

t.test("columns of text and uuids, row by row", function()
    local texts = { "abc", "", "abc", "日本" }
    local column = hash.sha256_column(frame.column(texts, "string"))
    t.equal(#column, 4)
    for index, text in ipairs(texts) do t.equal(column[index], hash.sha256(text)) end
    local id = "00000000-0000-4000-8000-00000000000a"
    t.equal(hash.sha256_column(frame.column({ id, id }, "uuid"))[2], hash.sha256(id))
    t.equal(hash.sha256_column(frame.column({}, "string")):to_table(), {})
end)

t.test("null stays null, and few rows of a large column are hashed alone", function()
    local values = {}
    for index = 1, 100 do values[index] = "text " .. index end
    local column = frame.column(values, "string"):take { 7, 3 }
    t.equal(hash.sha256_column(column)[1], hash.sha256("text 7"))
    t.equal(hash.sha256_column(column)[2], hash.sha256("text 3"))
    local holes = frame.from_table({ { s = "a" }, {} }, { schema = { s = "string" } })
    local hashed = hash.sha256_column(holes:col("s"))
    t.equal(hashed[1], hash.sha256("a"))
    t.equal(hashed[2], nil)
end)

t.test("other columns are refused", function()
    t.error("frame.type", hash.sha256_column, frame.column({ 1 }, "int64"))
    t.error("argument", hash.sha256_column, { "a" })
end)
