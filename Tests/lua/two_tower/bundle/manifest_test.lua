local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local manifest = require("two_tower.bundle.manifest")
local t = require("tt.test")

local OPTIONS = { version = "v1", commit_sha = "abc" }

local function folder()
    local path = fs.join(t.tmpdir(), "bundle")
    fs.mkdir(fs.join(path, "a/b"))
    fs.mkdir(fs.join(path, ".cache"))
    for name, content in pairs({
        ["z.txt"] = "z", ["a/x.txt"] = "x", ["a.b"] = "", ["a/b/c"] = "deep", ["manifest.json"] = "{}", [".dot"] = "",
        [".cache/y"] = "",
    }) do
        fs.write(fs.join(path, name), content)
    end
    return path
end

local function message(...)
    local ok, problem = pcall(...)
    return ok and "no error" or problem.message
end

t.test("files are listed in byte order with digest and size, beside version, commit and metadata", function()
    local path = folder()
    local content = manifest.write(path, { dim = 8 }, OPTIONS)
    local paths = {}
    for index, file in ipairs(content.files) do paths[index] = file.path end
    t.equal(paths, { "a.b", "a/b/c", "a/x.txt", "z.txt" })
    t.equal(json.encode(content.files[2]), ('{"path":"a/b/c","sha256":"%s","size":4}'):format(hash.sha256("deep")))
    t.equal({ content.model_version, content.commit_sha, content.model_meta.dim }, { "v1", "abc", 8 })
    t.ok(manifest.carries(content, { dim = 8 }) and not manifest.carries(content, { dim = 9 }))
end)

t.test("an unchanged folder verifies, wherever its manifest lies", function()
    local path = folder()
    manifest.write(path, {}, OPTIONS)
    local content, files = manifest.verify(path)
    t.equal({ content.model_version, #files, files[#files].path }, { "v1", 5, "manifest.json" })
    for _, output in ipairs({ fs.join(t.tmpdir(), "deep/er/list.json"), fs.join(path, "a/list.json") }) do
        manifest.write(path, {}, { version = "v2", commit_sha = "", output = output })
        local other, listed = manifest.verify(path, output)
        t.equal({ other.model_version, #listed }, { "v2", 5 }, output)
    end
end)

t.test("every missing, unlisted and changed file is named", function()
    local path = folder()
    manifest.write(path, {}, OPTIONS)
    fs.write(fs.join(path, "z.txt"), "y")
    fs.write(fs.join(path, "a.b"), "longer")
    fs.write(fs.join(path, "new"), "")
    fs.remove(fs.join(path, "a/x.txt"))
    t.equal(message(manifest.verify, path), ([['%s/manifest.json' does not fit the files:
  a.b: 6 bytes, listed with 0
  a/x.txt: missing
  new: not listed
  z.txt: content differs]]):format(path))
    t.error("manifest.mismatch", manifest.verify, path)
end)

t.test("symbolic links are refused", function()
    local path = folder()
    os.execute(("ln -s z.txt '%s/link'"):format(path))
    t.equal(message(manifest.write, path, {}, OPTIONS),
        ("'%s/link' is a symbolic link; a bundle holds the files themselves"):format(path))
    t.error("manifest.file", manifest.write, path, {}, OPTIONS)
end)

t.test("a manifest without a proper list is refused", function()
    local path = folder()
    local file = fs.join(path, "manifest.json")
    local function says(content, what)
        json.write(file, content)
        t.equal(message(manifest.verify, path), ("'%s' %s"):format(file, what))
    end
    says({}, "has no list 'files'")
    says({ files = {} }, "has no model_version")
    says({ model_version = "v", files = { { path = "a" } } }, "needs sha256 and size of 'a'")
    says({ model_version = "v", files = { { path = "../a" } } }, "has no usable path in files[1]")
    local entry = { path = "z.txt", sha256 = hash.sha256("z"), size = 1 }
    says({ model_version = "v", files = { entry, entry } }, "lists 'z.txt' twice")
    fs.remove(file)
    t.error("fs.not_found", manifest.verify, path)
end)

t.test("a version is checked", function()
    manifest.check_version("20250101T000000Z-abc1234")
    for _, wrong in ipairs({ "current", ".x", ("x"):rep(129), "", "a/b" }) do
        t.error("usage.version", manifest.check_version, wrong)
    end
    t.ok(manifest.new_version("abcdef1234"):match("^%d+T%d+Z%-abcdef1$"))
end)
