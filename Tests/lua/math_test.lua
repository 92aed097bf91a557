-- math.exp and math.log, which are tt's own: the C library's bits depend on the processor.
local t = require("tt.test")

t.test("exp and log are exact where that can be told", function()
    t.equal({ math.exp(0), math.log(1), math.log(math.exp(1)) }, { 1.0, 0.0, 1.0 })
    t.equal({ math.log(8, 2), math.log(2 ^ 52, 2), math.log(1000, 10), math.log(81, 3) }, { 3.0, 52.0, 3.0, 4.0 })
    t.equal({ math.exp(-math.huge), math.exp(710), math.log(0), math.log(math.huge) },
        { 0.0, math.huge, -math.huge, math.huge })
    t.ok(math.log(-1) ~= math.log(-1))
    t.equal(("%.17g %.17g"):format(math.exp(1), math.log(10)), "2.7182818284590451 2.3025850929940459")
end)

t.test("exp and log take what Lua's take", function()
    t.equal(math.log("8", 2), 3.0)
    t.error("bad argument #1 to 'exp' (number expected, got no value)", function() math.exp() end)
    t.error("bad argument #2 to 'log' (number expected, got string)", function() math.log(2, "x") end)
end)
