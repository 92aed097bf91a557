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
    t.equal(math.abs(time.now() / 1e6 - os.time()) < 60, true)
    t.error("argument", time.sleep, -1)
    t.error("argument", time.sleep, 0 / 0)
end)

t.test("durations are read", function()
    local second = 1000000
    t.equal(time.duration("0s"), 0)
    t.equal(time.duration("90s"), 90 * second)
    t.equal(time.duration("30m"), 1800 * second)
    t.equal(time.duration("6h"), 21600 * second)
    t.equal(time.duration("1d"), 86400 * second)
    t.equal(time.duration("2w"), 14 * 86400 * second)
    t.equal(time.duration("1w2d3h4m5s"), (9 * 86400 + 3 * 3600 + 4 * 60 + 5) * second)
    for _, text in ipairs { "", "1", "d", "-1d", "1.5h", "1 d", "1d ", "1D", "30m1h", "1h1h", "1ms", "1d!", "०d" } do
        t.equal(t.error("time.duration", time.duration, text).message,
            "'" .. text .. "' is no duration; write whole numbers with w, d, h, m or s, larger units first, as in "
            .. "'90s', '6h', '1h30m' or '1d'")
    end
    t.error("is too long", time.duration, "99999999999999999999s")
    t.error("is too long", time.duration, "9999999w9223372036853s")
    t.equal(time.duration("9223372036854s"), 9223372036854 * second)
    t.error("is too long", time.duration, "9223372036855s")
    t.error("a nil is no duration", time.duration)
    t.error("a number is no duration", time.duration, 5)
end)

t.test("windows meet, begin at since and end at until", function()
    local day = time.duration("1d")
    local windows = time.windows("2025-01-30", "2025-02-01T12:00:00+09:00", "1d")
    t.equal(#windows, 3)
    t.equal(windows[1], { from = time.parse("2025-01-30"), to = time.parse("2025-01-31"),
        label = "2025-01-30T00:00:00Z/2025-01-31T00:00:00Z" })
    t.equal(windows[3].label, "2025-02-01T00:00:00Z/2025-02-01T03:00:00Z")
    for index = 2, #windows do t.equal(windows[index].from, windows[index - 1].to) end
    t.equal(#time.windows(0, day, day), 1)
    t.equal(#time.windows(0, day + 1, day), 2)
    t.equal(#time.windows(0, day - 1, "1d"), 1)
    t.equal(time.windows(-5, -2, 2), {
        { from = -5, to = -3, label = "1969-12-31T23:59:59.999995Z/1969-12-31T23:59:59.999997Z" },
        { from = -3, to = -2, label = "1969-12-31T23:59:59.999997Z/1969-12-31T23:59:59.999998Z" },
    })
    t.equal(#time.windows(0, 1000000, 1), 1000000)
    -- The end of the calendar is no trap.
    t.equal(#time.windows(math.maxinteger - 5, math.maxinteger, 4), 2)
end)

t.test("windows that cannot be are refused", function()
    t.equal(t.error("time.windows", time.windows, "2025-01-02", "2025-01-01", "1d").message,
        "there is nothing from 2025-01-02T00:00:00Z until 2025-01-01T00:00:00Z; 'until' must be the later one")
    t.error("time.windows", time.windows, 5, 5, 1)
    t.error("longer than zero", time.windows, 0, 5, 0)
    t.error("longer than zero", time.windows, 0, 5, "0s")
    t.error("longer than zero", time.windows, 0, 5, -1)
    t.error("more than 1000000 windows", time.windows, 0, 1000001, 1)
    t.error("more than 1000000 windows", time.windows, math.mininteger, math.maxinteger, "1w")
    t.error("since: 'yesterday' is no date or time", time.windows, "yesterday", 5, 1)
    t.error("until: a date as text or integer microseconds expected, got nil", time.windows, 0, nil, 1)
    t.error("got float", time.windows, 0.5, 2, 1)
    t.error("time.duration", time.windows, 0, 5, "1x")
    t.error("time.duration", time.windows, 0, 5)
end)
