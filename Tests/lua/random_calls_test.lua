-- Whatever a script passes to whichever function, the process lives: thousands of calls of all of them, with values of
-- the documented types, of other types, and at the edges of ranges. A seed gives the same calls again:
--   TT_TEST_SEEDS="17 18" tt Tests/lua/run.lua random_calls
local t = require "tt.test"

local here = arg[0]:match("^(.*)/[^/]*$")
local shell = dofile(here .. "/support/shell.lua")
local program = tt.fs.abspath(here .. "/support/random_calls.lua")

local CALLS = 3000
-- A call that has not ended by then hangs; all of a child's together take seconds.
local PATIENCE_S = 600

-- Memory cannot be bounded under a sanitizer, which maps terabytes for its own use.
local BOUND = os.getenv("TT_TEST_SANITIZER") and "" or "ulimit -v 2500000; "

-- The child's folder is all it may write to. There is less memory and less room on disk than some calls ask for, and no
-- database or proxy by the environment.
local function run(seed, folder)
    local words = shell.words(shell.program, program, seed, CALLS)
    return shell.capture(string.format(
        "cd %s && export TMPDIR=. HOME=. PGHOST=/nonexistent; trap '' XFSZ; "
        .. "ulimit -c 0; ulimit -f 65536; " .. BOUND
        .. "timeout -s KILL %d %s > output 2> errors < /dev/null; status=$?; cat output; exit $status",
        shell.quote(folder), PATIENCE_S, words))
end

local seeds = {}
for seed in (os.getenv("TT_TEST_SEEDS") or "1 2 3 4"):gmatch("%d+") do seeds[#seeds + 1] = seed end

for _, seed in ipairs(seeds) do
    t.test("random calls with the seed " .. seed .. " leave the process alive", function()
        local folder = t.tmpdir()
        local output, status = run(seed, folder)
        if status == 0 and output:find("random calls: " .. CALLS .. " made", 1, true) then return end
        local file = io.open(folder .. "/last")
        local last = file and file:read("a"):match("^(.-)\n\n") or "before the first call"
        local errors = io.open(folder .. "/errors"):read("a")
        local how = status == 137 and "killed, or hung" or status > 128 and "ended by signal " .. status - 128
            or "ended with status " .. status
        error(string.format("%s at %s\n%s\nrun it again: tt %s %s %s print", how, last, errors:sub(1, 2000), program,
            seed, CALLS), 0)
    end)
end
