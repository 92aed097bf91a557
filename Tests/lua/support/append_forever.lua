-- Opens a journal and marks keys until it is killed.
--   tt append_forever.lua PATH
local journal <close> = tt.journal.open(arg[1], { identity = { test = "kill" } })
local number = journal:count()
io.stdout:write("open\n")
io.stdout:flush()
while true do
    number = number + 1
    journal:mark("key " .. number, { number = number, text = ("x"):rep(number % 7 * 1000) })
    io.stdout:write(number, "\n")
    io.stdout:flush()
end
