-- The `tt` command itself: how scripts are found, what they get, how they end.
local t = require "tt.test"

local shell = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/support/shell.lua")
local quote = shell.quote

-- What a shell command prints on both streams, and its exit status. In it `tt` is this program; where its process is
-- to be signalled, `"$TT"`.
local function sh(command, folder)
    local script = string.format("cd %s && TT=%s && tt() { \"$TT\" \"$@\"; }\n%s{ %s\n} 2>&1",
        quote(folder or "/"), quote(shell.program), shell.AWAIT, command)
    local pipe = assert(io.popen(script))
    local output = pipe:read("a")
    local _, _, status = pipe:close()
    return output, status
end

local function write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

t.test("-e runs code with its arguments", function()
    local output, status = sh([[tt -e 'print(arg[0], arg[1], arg[2], #arg, arg[-1] ~= nil, ...)' one 'two three']])
    t.equal(output, "-e\tone\ttwo three\t2\ttrue\tone\ttwo three\n")
    t.equal(status, 0)
end)

t.test("a file runs with arg as in Lua", function()
    local folder = t.tmpdir()
    write(folder .. "/s.lua", "#!/usr/bin/env tt\nprint(arg[0], arg[1], #arg, ...)")
    t.equal(sh("tt s.lua -e --help", folder), "s.lua\t-e\t2\t-e\t--help\n")
    t.equal(sh("tt ./s.lua", folder), "./s.lua\tnil\t0\n")
    t.equal(sh("echo 'print(arg[0], ...)' | tt - x"), "-\tx\n")
end)

t.test("scripts are looked for here, in lua/, then inside tt", function()
    local folder = t.tmpdir()
    os.execute("mkdir " .. quote(folder .. "/lua"))
    write(folder .. "/lua/pipeline.lua", "print('lua/')")
    t.equal(sh("tt pipeline.lua", folder), "lua/\n")
    write(folder .. "/pipeline.lua", "print('here')")
    t.equal(sh("tt pipeline.lua", folder), "here\n")
    t.equal(sh("tt lua/pipeline.lua", folder), "lua/\n")
    local output, status = sh("tt pipeline.lua --help")
    t.ok(output:find("pipeline", 1, true))
    t.equal(status, 0)
    output, status = sh("tt pipelin.lua")
    t.equal(output, "tt: there is no script 'pipelin.lua' here, in lua/, or in tt\nDid you mean 'pipeline.lua'?\n")
    t.equal(status, 2)
    output, status = sh("tt ./pipeline.lua")
    t.equal(output, "tt: there is no script './pipeline.lua'\nDid you mean 'pipeline.lua'?\n")
    t.equal(status, 2)
end)

t.test("modules are found beside the script, in lua/, and inside tt", function()
    local folder = t.tmpdir()
    os.execute("mkdir -p " .. quote(folder .. "/lua") .. " " .. quote(folder .. "/sub"))
    write(folder .. "/sub/s.lua", "print((require 'mine'), (require 'common'))")
    write(folder .. "/sub/mine.lua", "return 'beside'")
    write(folder .. "/lua/mine.lua", "return 'lua/'")
    write(folder .. "/lua/common.lua", "return 'common'")
    t.equal(sh("tt sub/s.lua", folder), "beside\tcommon\n")
    t.equal(sh([[tt -e 'print((require "mine"))']], folder), "lua/\n")
    write(folder .. "/lua/tt.lua", "error('never')")
    os.execute("mkdir " .. quote(folder .. "/lua/tt"))
    write(folder .. "/lua/tt/test.lua", "error('never')")
    t.equal(sh([[tt -e 'print(require "tt.test" == tt.test)']], folder), "true\n")
    t.equal(sh([[tt -e 'print(type(require "two_tower.config"))']]), "table\n")
end)

t.test("uncaught errors show message, line and traceback, and end with 1", function()
    local folder = t.tmpdir()
    write(folder .. "/s.lua", "local function f()\n    local x = nil\n    return x.y\nend\nprint('before')\nf()\n")
    local output, status = sh("tt s.lua", folder)
    t.equal(output, "before\ntt: s.lua:3: attempt to index a nil value (local 'x')\nstack traceback:\n"
        .. "\ts.lua:3: in local 'f'\n\ts.lua:6: in main chunk\n")
    t.equal(status, 1)
    write(folder .. "/s.lua", "tt.fs.read('no/such/file')")
    output, status = sh("tt s.lua", folder)
    t.equal(output, "tt: s.lua:1: cannot read 'no/such/file': No such file or directory [fs.not_found]\n"
        .. "stack traceback:\n\t[native]: in function 'tt.fs.read'\n\ts.lua:1: in main chunk\n")
    t.equal(status, 1)
    output, status = sh("tt -e 'x ='")
    t.equal(output, "tt: (command line):1: unexpected symbol near <eof>\n")
    t.equal(status, 1)
end)

t.test("TT_KERNELS asks for a set of kernels", function()
    local product = [[TT_KERNELS=%s tt -e 'local tensor = require "tt.tensor"
        print(tensor.ones({ 40, 70 }):matmul(tensor.ones({ 70, 3 })):sum():item())']]
    for _, set in ipairs { "portable", "" } do
        local output, status = sh(product:format(set))
        t.equal(output, "8400.0\n")
        t.equal(status, 0)
    end
    local output, status = sh("TT_KERNELS=fast tt -e ''")
    t.equal(output, "tt: TT_KERNELS is 'fast'; it may be 'avx512', 'avx2', 'portable', or unset for the best of them\n")
    t.equal(status, 2)
end)

t.test("errors of usage and configuration end with 2 and no traceback", function()
    local output, status = sh([[tt -e 'tt.error("usage", "give a file")']])
    t.equal(output, "tt: give a file\n")
    t.equal(status, 2)
    output, status = sh([[tt -e 'tt.error("config.unknown_key", "no such key")']])
    t.equal(output, "tt: no such key\n")
    t.equal(status, 2)
    t.equal(select(2, sh("tt -e 'os.exit(7)'")), 7)
end)

t.test("wrong command lines end with 2 and a hint", function()
    for command, message in pairs {
        ["tt --hlp"] = "tt: unknown option '--hlp' (did you mean '--help'?)\nTry 'tt --help'.\n",
        ["tt -e"] = "tt: option '-e' needs CODE after it\nTry 'tt --help'.\n",
        ["tt -i -"] = "tt: '-i' cannot go with '-': both read standard input\nTry 'tt --help'.\n",
        ["tt init"] = "tt: 'tt init' needs the folder to write to\nTry 'tt --help'.\n",
        ["tt --profile"] = "tt: option '--profile' needs FILE after it\nTry 'tt --help'.\n",
        ["tt --profile out"] = "tt: option '--profile FILE' needs a script after it\nTry 'tt --help'.\n",
        ["tt --profile=out -i"] = "tt: option '--profile FILE' needs a script after it\nTry 'tt --help'.\n",
        ["tt --profile= -e ''"] = "tt: option '--profile' takes the file to write the stacks to, and '' is none\n"
            .. "Try 'tt --help'.\n",
        ["tt --profile mine.lua x.lua"] = "tt: option '--profile' takes the file to write the stacks to, and "
            .. "'mine.lua' is none\nTry 'tt --help'.\n",
        ["tt --profil out x.lua"] = "tt: unknown option '--profil' (did you mean '--profile'?)\nTry 'tt --help'.\n",
        ["tt init a b"] = "tt: 'tt init' takes one folder, and 'b' is a second one\nTry 'tt --help'.\n",
    } do
        local output, status = sh(command)
        t.equal(output, message)
        t.equal(status, 2)
    end
    local output, status = sh("tt --version")
    t.equal(output, "tt " .. tt.version .. "\n")
    t.equal(status, 0)
    output, status = sh("tt --help")
    t.ok(output:find("^usage: tt"))
    t.equal(status, 0)
end)

t.test("init writes what tt carries, and keeps what was changed", function()
    local folder = t.tmpdir()
    local output, status = sh("tt init work", folder)
    t.equal(status, 0)
    t.ok(output:find("wrote " .. #tt.carried() .. " files", 1, true))
    for _, path in ipairs(tt.carried()) do
        local file = assert(io.open(folder .. "/work/" .. path, "rb"))
        t.equal(file:read("a"), tt.carried(path))
        file:close()
    end
    t.ok(sh("tt init work", folder):find("wrote 0 files, replaced 0", 1, true))
    write(folder .. "/work/lua/train.lua", "mine")
    output, status = sh("rm work/lua/export.lua; tt init work; ls work/lua/export.lua", folder)
    t.ok(output:find("differ from the carried ones; nothing was written:\n  lua/train.lua\n", 1, true))
    t.ok(output:find("--force", 1, true) and output:find("No such file", 1, true))
    t.ok(status ~= 0)
    t.ok(sh("tt init work --force", folder):find("wrote 1 files, replaced 1", 1, true))
    t.equal(sh("cd work && tt lua/pipeline.lua --help >/dev/null", folder), "")
end)

t.test("a reader that leaves ends the script quietly", function()
    t.equal(sh("tt -e 'while true do print(1) end' | head -n 1"), "1\n")
    -- Another pipe's end is no reason to die.
    t.equal(sh([[tt -e 'local p = io.popen("true", "w")
        p:setvbuf("no")
        local ok, message, code
        repeat ok, message, code = p:write("x") until not ok
        print(ok, message, code)']]), "nil\tBroken pipe\t32\n")
end)

t.test("output that cannot be written is a failure", function()
    local output, status = sh("tt -e 'print(1)' >/dev/full")
    t.equal(output, "tt: not all of the output could be written\n")
    t.equal(status, 1)
end)

-- Microseconds of the stacks of a stack file that have all of these texts in them, in order.
local function microseconds(path, ...)
    local sum = 0
    for line in io.lines(path) do
        local stack, time = line:match("^(.+) (%d+)$")
        t.ok(stack, line)
        local from = 1
        for _, part in ipairs { ... } do
            local _, last = stack:find(part, from, true)
            if not last then from = nil break end
            from = last + 1
        end
        if from then sum = sum + tonumber(time) end
    end
    return sum
end

-- The milliseconds a table of the profile has for the row with this text: self, then the two columns after it.
local function row(output, text)
    for line in output:gmatch("[^\n]+") do
        if line:find(text, 1, true) then
            local a, b, c = line:match("^ +([%d.-]+) +([%d.-]+) +([%d.-]+) +")
            return tonumber(a), tonumber(b), tonumber(c)
        end
    end
end

t.test("--profile tells the time of lines and native calls", function()
    local folder = t.tmpdir()
    write(folder .. "/mine.lua", "local mine = {}\nfunction mine.nap(s)\n    tt.time.sleep(s)\nend\nreturn mine\n")
    write(folder .. "/s.lua", [[
local mine = require "mine"
local function busy()
    local ends = os.clock() + 0.2
    while os.clock() < ends do end
end
busy()
mine.nap(0.15)
for _ in coroutine.wrap(function()
    tt.time.sleep(0.1)
    coroutine.yield(1)
end) do end
tt.tensor.no_grad(function() mine.nap(0.05) end)
for i = 1, 1000 do tt.hash.sha256("x") end
print(...)
]])
    local output, status = sh("tt --profile out.folded s.lua a b", folder)
    t.equal(status, 0)
    t.ok(output:find("a\tb\n\nprofile: ", 1, true) == 1 and output:find("stacks: out.folded\n", 1, true), output)
    -- Self, of it native, total.
    local own, native, total = row(output, "mine.lua:3  tt.time.sleep(s)")
    t.ok(own >= 200 and native >= 200 and total >= own, output)
    own, native = row(output, "s.lua:4  while os.clock() < ends do end")
    t.ok(own > 100 and native < own, output)
    t.ok(row(output, "s.lua:9  tt.time.sleep(0.1)") >= 100, output)
    t.ok(output:find("  3 +%d+%.%d+ +%d+%.%d+ +%d+%.%d  tt%.time%.sleep\n"), output)
    t.ok(output:find(" 1000 +%d+%.%d+ +%d+%.%d+ +%d+%.%d  tt%.hash%.sha256\n"), output)

    local file = folder .. "/out.folded"
    t.ok(microseconds(file, "s.lua:6;", "busy s.lua:4") > 100000)
    t.ok(microseconds(file, "s.lua:7;", "mine.lua:3;[native] tt.time.sleep") >= 150000)
    t.ok(microseconds(file, "s.lua:8;", "s.lua:9;[native] tt.time.sleep") >= 100000)
    t.ok(microseconds(file, "s.lua:12;[native] tt.tensor.no_grad;s.lua:12;", "mine.lua:3;") >= 50000)
    -- The stacks are the whole time, but for what looking took.
    local all, duration = microseconds(file), tonumber(output:match("profile: ([%d.]+) ms")) * 1000
    t.ok(all <= duration * 1.01 and all >= duration * 0.7, output)
end)

t.test("--profile tells after errors, Ctrl-C and os.exit as well", function()
    local folder = t.tmpdir()
    local output, status = sh("tt --profile=out -e 'tt.time.sleep(0.02) error(\"no\", 0)'", folder)
    t.equal(status, 1)
    t.ok(output:find("tt: no\nstack traceback:\n", 1, true) == 1, output)
    t.ok(row(output, "(command line):1  tt.time.sleep(0.02) error") >= 20, output)
    t.ok(microseconds(folder .. "/out", "(command line):1;[native] tt.time.sleep") >= 20000)

    output, status = sh("echo 'tt.time.sleep(0.02) os.exit(3, true)' | tt --profile out2 -", folder)
    t.equal(status, 3)
    t.ok(row(output, "stdin:1") >= 20, output)
    t.ok(microseconds(folder .. "/out2", "stdin:1;[native] tt.time.sleep") >= 20000)

    -- It tells by itself when its loop has run for long enough.
    output, status = sh([["$TT" --profile out3 -e 'local enough = os.clock() + 0.2
        while true do if enough and os.clock() > enough then enough = io.open("started", "w"):close() and nil end end
        ' & pid=$!
        await started; kill -INT $pid; wait $pid]], folder)
    t.equal(status, 130)
    t.ok(output:find("interrupted\nstack traceback:\n", 1, true), output)
    t.ok(row(output, "(command line):2  while true do") > 50, output)

    output, status = sh("tt --profile none/out -e 'print(1)'", folder)
    t.equal(output, "tt: cannot write 'none/out': No such file or directory\n")
    t.equal(status, 1)
    t.equal(sh("echo '1 + 1' | tt --profile out4 -i -e 'x = 1' 2>/dev/null", folder), "2\n")
end)

t.test("a profile leaves a script's own hook alone", function()
    local output, status = sh([[tt --profile out -e 'local lines = 0
        debug.sethook(function() lines = lines + 1 end, "l")
        for i = 1, 200000 do
            local x = i
        end
        debug.sethook()
        print(lines)' 2>/dev/null]], t.tmpdir())
    t.equal(output, "400002\n")
    t.equal(status, 0)
end)

t.test("the prompt reads standard input", function()
    local output, status = sh([[printf '1 + 1\nfor i = 1, 2 do\nprint(i)\nend\nx = 5\nx, nil, "s"\n\n(x +\n1)\n' | tt]])
    t.equal(output, "2\n1\n2\n5\tnil\ts\n6\n")
    t.equal(status, 0)
    output, status = sh([[printf 'error("no")\n7\nlocal x = (' | tt]])
    t.ok(output:find("tt: stdin:1: no\nstack traceback:", 1, true))
    t.ok(output:find("7\n", 1, true) and output:find("near <eof>", 1, true))
    t.equal(status, 1)
    t.equal(sh([[echo 'y' | tt -i -e 'y = 3 print("first")']]), "first\n3\n")
end)

t.test("Ctrl-C and SIGTERM are an error that unwinds, with status 130 and 143", function()
    local output, status
    for signal, expected in pairs { INT = 130, TERM = 143 } do
        output, status = sh([[
            "$TT" -e 'local x <close> = setmetatable({}, {__close = function() print("closed") end})
                io.stdout:setvbuf("no") print("ready") io.open("started", "w"):close() while true do end' & pid=$!
            await started; kill -]] .. signal .. [[ $pid; wait $pid]], t.tmpdir())
        t.ok(output:find("ready\nclosed\ntt: (command line):2: interrupted\nstack traceback:\n", 1, true) == 1, output)
        t.equal(status, expected)
    end
end)

t.test("no call that catches errors keeps an interruption for itself", function()
    for name, code in pairs {
        pcall = "while true do pcall(loop) end",
        xpcall = "while true do xpcall(loop, loop) end",
        resume = "while true do coroutine.resume(coroutine.create(loop)) end",
        wrap = "while true do pcall(coroutine.wrap(loop)) end",
        close = [[local c = coroutine.create(function()
            local _ <close> = setmetatable({}, {__close = loop}) coroutine.yield() end)
            coroutine.resume(c) coroutine.close(c)]],
        load = "load(loop)",
        native = [[while true do pcall(string.rep, "x", 100) mark() end]],
        sort = "while true do pcall(table.sort, {3, 1, 2}, loop) end",
    } do
        local output, status = sh([[
            "$TT" -e 'function mark() if not io.open("started") then io.open("started", "w"):close() end end
            function loop() mark() while true do end end
            ]] .. code .. [[ print("went on")' & pid=$!
            await started; kill -INT $pid; wait $pid]], t.tmpdir())
        t.equal(status, 130, name .. ": " .. output)
        t.ok(output:find("^tt: %(command line%):%d+: interrupted\nstack traceback:\n"), name .. ": " .. output)
        t.equal(output:find("went on", 1, true), nil)
    end
end)

t.test("a second Ctrl-C ends the process", function()
    local output, status = sh([[
        "$TT" -e 'local function stay(mark) io.open(mark, "w"):close() while true do end end
            local _ <close> = setmetatable({}, {__close = function() stay("again") end})
            stay("started")' & pid=$!
        await started; kill -INT $pid; await again; kill -INT $pid; wait $pid]], t.tmpdir())
    t.equal(output, "")
    t.equal(status, 130)
end)

t.test("SIGTERM ends the prompt", function()
    -- While it reads, and while it runs something that would hide another error.
    local reading = { [[local _ = io.open("started", "w"):close()]], "asleep $pid" }
    local busy = { [[local _ = pcall(function() io.open("started", "w"):close() while true do end end) ]]
        .. "\nprint(1)", "true" }
    for _, case in ipairs { reading, busy } do
        for _, before in ipairs { "", "-i -e 'print(\"first\")'" } do
            -- The shell holds both ends of the pipe, so that the prompt's input does not end.
            local output, status = sh(string.format([[
                mkfifo fifo; exec 9<> fifo; echo %s >&9; "$TT" %s < fifo 9>&- & pid=$!
                await started; %s; kill -TERM $pid; wait $pid]], quote(case[1]), before, case[2]), t.tmpdir())
            local told = case == busy and "tt: stdin:1: interrupted" or ""
            t.equal(output:match("^[^\n]*interrupted") or output:match("^first\n(tt: [^\n]*)") or "", told)
            t.equal(output:find("^first\n") ~= nil, before ~= "")
            t.equal(output:find("\n1\n", 1, true), nil)
            t.equal(status, 143)
        end
    end
    local output, status = sh([[
        "$TT" -i -e 'print("ready") io.open("started", "w"):close() while true do end' < /dev/null & pid=$!
        await started; kill -TERM $pid; wait $pid]], t.tmpdir())
    t.ok(output:find("ready\ntt: (command line):1: interrupted", 1, true) == 1, output)
    t.equal(status, 143)
end)

t.test("the prompt on a terminal: editing, Ctrl-C, history", function()
    if not os.execute("command -v script >/dev/null") then t.skip("script(1) is not installed") end
    local folder = t.tmpdir()
    -- Each line is typed when the prompt is there, and each Ctrl-C when there is something to drop or to stop.
    local output = sh(string.format([[
        export XDG_STATE_HOME=%s
        last() { tail -n 1 shown | grep -q -e "$1"; }
        mkfifo keys; exec 9<> keys; script -qefc %s shown < keys > /dev/null 9>&- & pid=$!
        holds last '> '; printf '20 + 22\n' >&9
        holds grep -q '^42' shown; holds last '> '; printf 'io.open("started", "w"):close() while true do end\n' >&9
        await started; printf '\003' >&9
        holds grep -q ': interrupted' shown; holds last '> '; printf 'half a line' >&9
        holds last 'half a line'; printf '\003' >&9
        holds last '^> *$\|^[^h]*> [^h]*$'; printf '"日本" .. 1\n' >&9
        holds grep -q '^日本1' shown; holds last '> '; printf '\004' >&9
        wait $pid; cat shown state/tt/history]], quote(folder .. "/state"), quote(shell.program)), folder)
    t.ok(output:find("Ctrl-D leaves", 1, true))
    t.ok(output:find("42\r\n", 1, true))
    t.ok(output:find("tt: stdin:1: interrupted", 1, true))
    t.ok(output:find("日本1\r\n", 1, true))
    t.ok(output:find("while\\040true\\040do\\040end", 1, true))
    t.ok(not output:find("half\\040", 1, true))
end)
