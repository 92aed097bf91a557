local t = require "tt.test"
local time = require "tt.time"

t.test("instants are read and written", function()
    t.equal(time.parse("2025-01-31T12:00:00Z"), 1738324800000000)
    t.equal(time.parse("2025-01-31 21:00:00.000001+09"), 1738324800000001)
    t.equal(time.parse("2025-01-31"), 1738281600000000)
    t.equal(time.parse("infinity"), nil)
    t.equal(time.parse("2025-02-29"), nil)
    t.equal(time.parse(""), nil)
    t.equal(time.format(1738324800000000), "2025-01-31T12:00:00Z")
    t.equal(time.format(-1), "1969-12-31T23:59:59.999999Z")
end)

t.test("instants are taken apart", function()
    local date = time.date(1738328645000007)
    t.equal(date, { year = 2025, month = 1, day = 31, hour = 13, minute = 4, second = 5, microsecond = 7, weekday = 5 })
end)

t.test("clocks run and sleeping takes time", function()
    local start, now = time.monotonic(), time.now()
    time.sleep(0.02)
    t.equal(time.monotonic() - start >= 0.02, true)
    t.equal(time.now() - now >= 20000, true)
    t.equal(math.abs(time.now() / 1e6 - os.time()) < 2, true)
    t.error("argument", time.sleep, -1)
    t.error("argument", time.sleep, 0 / 0)
end)
