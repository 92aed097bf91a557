local t = require "tt.test"
local help = require "tt.help"

t.test("a function is told with its parameters, options and example", function()
    t.equal(help.text(tt.fs.remove), [[
tt.fs.remove(path, opts?)

Removes a file, a link or an empty folder.

    tt.fs.mkdir("a/b")
    assert(tt.fs.remove("a", { tree = true }) == true)
    assert(tt.fs.remove("a") == false)

Raises `fs.denied`, `fs.failed`.

Parameters:
  path   string
  opts?  { tree?: boolean } tree: a folder with everything in it; links are not followed (default: false)

Returns:
  boolean removed false when nothing of this name was there
]])
    local text = help.text(tt.json.encode)
    t.ok(text:find("\n  opts?      tt.json.EncodeOptions\n    indent?  integer spaces a level", 1, true))
end)

t.test("a module is told with what it holds", function()
    t.equal(help.text(tt.hash), [[
tt.hash

SHA-256 of bytes, files and columns.

Holds:
  sha256         Computes the SHA-256 of bytes
  sha256_file    Computes the SHA-256 of a file's content, whatever its size
  sha256_column  Computes the SHA-256 of every row's text in one call
]])
end)

t.test("names, values and objects lead to the same text", function()
    local text = help.text(tt.time.parse)
    t.equal(help.text("tt.time.parse"), text)
    t.equal(help.text("time.parse"), text)
    local folder <close> = tt.fs.tempdir()
    t.equal(help.text(folder), help.text("tt.TemporaryFolder"))
    t.equal(help.text(folder.close), help.text("tt.TemporaryFolder.close"))
    t.equal(help.text(folder.close):match("^[^\n]*"), "tt.TemporaryFolder:close()")
    t.equal(help.text("progress.Bar:update"):match("^[^\n]*"), "tt.progress.Bar:update(amount?)")
end)

t.test("the overview names every module with a sentence", function()
    local text = help.text()
    for _, module in ipairs(tt.modules()) do
        t.ok(text:find("\n  " .. module:gsub("%.", "%%.") .. "[ \n]"), module)
    end
end)

t.test("every exported function has help", function()
    for _, module in ipairs { "tt.cli", "tt.config", "tt.fs", "tt.hash", "tt.json", "tt.log", "tt.time", "tt.yaml" } do
        for name, value in pairs(require(module)) do
            if type(value) == "function" then t.ok(help.text(value):find(module .. "." .. name, 1, true), name) end
        end
    end
end)

t.test("what has no help is told with the nearest name", function()
    local problem = t.error("help.not_found", help.text, "fs.raed")
    t.equal(problem.message, "there is no help for 'fs.raed'; did you mean 'tt.fs.read'?")
    t.equal(t.error("help.not_found", help.text, "zzzzzzzzzzzzz").message,
        "there is no help for 'zzzzzzzzzzzzz'; help() lists the modules")
    t.equal(t.error("help.not_found", help.text, {}).message, "there is no help for this table")
end)
