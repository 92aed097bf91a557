-- What tests need to run programs as a person does, this one among them. Used by `dofile`, as what lies beside it.
local shell = {}

--- A word as the shell takes it.
function shell.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Words as the shell takes them.
function shell.words(...)
    local words = { ... }
    for index, word in ipairs(words) do words[index] = shell.quote(word) end
    return table.concat(words, " ")
end

--- Runs a command; gives what it prints on both streams, and its exit status.
function shell.capture(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local output = pipe:read("a")
    local _, _, status = pipe:close()
    return output, status
end

--- A function of the shell that waits until a file is there, for a minute at most.
shell.AWAIT = [[await() {
    tries=0
    until [ -e "$1" ] || [ $tries -ge 3000 ]; do tries=$((tries + 1)); sleep 0.02; done
}
]]

-- The shell's parent is this program.
shell.program = shell.capture("readlink -f /proc/$PPID/exe"):gsub("\n$", "")

return shell
