-- Runs a script as `tt SCRIPT …` does, but gives up soon: it tries three times with hardly a pause, and does not wait
-- for caches on the way.
--   tt impatient.lua SCRIPT [ARGS…]
local here = arg[0]:match("^(.*)/[^/]*$")
package.path = here .. "/../../../lua/?.lua;" .. package.path

local http = require("tt.http")
local public_view = require("two_tower.publish.public_view")
local time = require("tt.time")

local function copy_of(options, changes)
    local copy = {}
    for name, value in pairs(options or {}) do copy[name] = value end
    for name, value in pairs(changes) do copy[name] = value end
    return copy
end

local client, view, sleep = http.client, public_view.new, time.sleep
function http.client(options)
    local retry = options.retry
    if retry ~= false then retry = copy_of(retry, { attempts = 3, base_s = 0.005, max_s = 0.02 }) end
    return client(copy_of(options, { retry = retry }))
end
function public_view.new(target, options) return view(target, copy_of(options, { settle_s = 1 })) end
function time.sleep(seconds) sleep(seconds / 100) end

rawset(arg, 0, table.remove(arg, 1))
dofile(arg[0])
