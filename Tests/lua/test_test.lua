-- The test helper itself.
local t = require "tt.test"

t.test("equal compares by content, value and kind", function()
    t.equal({1, {a = 2}}, {1, {a = 2}})
    t.equal(0 / 0, 0 / 0)
    t.error("got 1, expected 1.0", t.equal, 1, 1.0)
    t.error('at [2]["a"]: got 2, expected 3', t.equal, {1, {a = 2}}, {1, {a = 3}})
    t.error("is nil, expected 3", t.equal, {1, 2}, {1, 2, 3})
    t.error("got nil, expected 1", t.equal, nil, 1)
    t.error("the note: got", t.equal, 1, 2, "the note")
end)

t.test("near allows the tolerance", function()
    t.near(1.0, 1.0000001)
    t.near({{1}, {2}}, {{1.05}, {2}}, 0.1)
    t.error("within 0.1", t.near, 1, 2, 0.1)
    t.error("has 1 elements, expected 2", t.near, {1}, {1, 2})
end)

t.test("error matches code or message", function()
    t.equal(t.error("a.b", tt.error, "a.b", "text").message, "text")
    t.error("te.t", tt.error, "a.b", "text")
    t.error("no error was raised", t.error, "x", function() end)
    t.error("raised 'other'", t.error, "x", error, "other", 0)
end)

t.test("tmpdir is there, and gone after its test", function()
    local path
    local counts = t.collect(function()
        t.test("inner", function()
            path = t.tmpdir()
            assert(io.open(path .. "/file", "w")):close()
        end)
    end)
    t.equal(counts, {passed = 1, failed = 0, skipped = 0})
    t.equal(io.open(path .. "/file"), nil)
end)
