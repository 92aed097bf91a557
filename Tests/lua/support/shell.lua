-- What tests need to run programs as a person does, this one among them. Used by `dofile`, as what lies beside it.
local shell = {}

--- A word as the shell takes it.
function shell.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Words as the shell takes them.
function shell.words(...)
    local words = { ... }
    for index, word in ipairs(words) do words[index] = shell.quote(tostring(word)) end
    return table.concat(words, " ")
end

--- Runs a command; gives what it prints on both streams, and its exit status.
function shell.capture(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local output = pipe:read("a")
    local _, _, status = pipe:close()
    return output, status
end

--- Functions of the shell that wait, for minutes at most: until a command succeeds, until a file is there, and until a
--- process sleeps, as one that reads does when nothing comes.
shell.AWAIT = [[holds() {
    tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 6000 ] || return 1
        sleep 0.02
    done
}
await() { holds test -e "$1"; }
is_asleep() { read -r stat < /proc/$1/stat && case ${stat##*) } in S*) ;; *) return 1 ;; esac; }
asleep() { holds is_asleep "$1"; }
]]

-- The shell's parent is this program.
shell.program = shell.capture("readlink -f /proc/$PPID/exe"):gsub("\n$", "")

return shell
