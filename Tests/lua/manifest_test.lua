local t = require "tt.test"
local fs = require "tt.fs"
local hash = require "tt.hash"
local json = require "tt.json"
local manifest = require "tt.manifest"

local function bundle()
    local dir = fs.join(t.tmpdir(), "bundle")
    fs.mkdir(fs.join(dir, "a/b"))
    fs.mkdir(fs.join(dir, ".cache"))
    for path, content in pairs {
        ["z.txt"] = "z", ["a/x.txt"] = "x", ["a.b"] = "", ["a/b/c"] = "deep", ["manifest.json"] = "{}", [".dot"] = "",
        [".cache/y"] = "",
    } do
        fs.write(fs.join(dir, path), content)
    end
    return dir
end

local function message(...)
    local ok, problem = pcall(...)
    return ok and "no error" or problem.message
end

t.test("files are listed in byte order with digest and size", function()
    local dir = bundle()
    local files = manifest.build(dir)
    local paths = {}
    for index, file in ipairs(files) do paths[index] = file.path end
    t.equal(paths, { "a.b", "a/b/c", "a/x.txt", "z.txt" })
    t.equal(json.encode(files[2]), ('{"path":"a/b/c","sha256":"%s","size":4}'):format(hash.sha256("deep")))
    t.equal(#manifest.build(dir, { exclude = { "a/x.txt", "z.txt" } }), 2)
    t.equal(json.encode(manifest.build(t.tmpdir())), "[]")
end)

t.test("an unchanged folder verifies", function()
    local dir = bundle()
    json.write(fs.join(dir, "manifest.json"), { files = manifest.build(dir), model = "m" })
    t.equal(manifest.verify(dir).model, "m")
end)

t.test("every missing, unlisted and changed file is named", function()
    local dir = bundle()
    json.write(fs.join(dir, "manifest.json"), { files = manifest.build(dir) })
    fs.write(fs.join(dir, "z.txt"), "y")
    fs.write(fs.join(dir, "a.b"), "longer")
    fs.write(fs.join(dir, "new"), "")
    fs.remove(fs.join(dir, "a/x.txt"))
    t.equal(message(manifest.verify, dir), ([['%s/manifest.json' does not fit the files:
  a.b: 6 bytes, listed with 0
  a/x.txt: missing
  new: not listed
  z.txt: content differs]]):format(dir))
    t.error("manifest.mismatch", manifest.verify, dir)
end)

t.test("symbolic links are refused", function()
    local dir = bundle()
    os.execute(("ln -s z.txt '%s/link'"):format(dir))
    t.equal(message(manifest.build, dir),
        ("'%s/link' is a symbolic link; a bundle holds the files themselves"):format(dir))
    t.error("manifest.file", manifest.build, dir)
end)

t.test("a manifest without a proper list is refused", function()
    local dir = bundle()
    local path = fs.join(dir, "manifest.json")
    t.equal(message(manifest.verify, dir), ("'%s' has no list 'files'"):format(path))
    json.write(path, { files = { { path = "a" } } })
    t.equal(message(manifest.verify, dir), ("'%s' needs path, sha256 and size in files[1]"):format(path))
    local file = { path = "z.txt", sha256 = hash.sha256("z"), size = 1 }
    json.write(path, { files = { file, file } })
    t.equal(message(manifest.verify, dir), ("'%s' lists 'z.txt' twice"):format(path))
    fs.remove(path)
    t.error("fs.not_found", manifest.verify, dir)
end)

t.test("arguments of another kind are refused", function()
    local dir = t.tmpdir()
    t.error("bad argument #1 to 'build' (string expected, got nil)", manifest.build)
    t.error("bad argument #2 to 'build' (table expected, got string)", manifest.build, dir, "other.json")
    t.error("unknown option 'excludes' (did you mean 'exclude'?)", manifest.build, dir, { excludes = {} })
    t.error("bad argument #2 to 'verify' (field 'name': string expected, got number)", manifest.verify, dir,
        { name = 5 })
end)
