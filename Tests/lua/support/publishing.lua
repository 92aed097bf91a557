-- What the tests of publication share: two bundles, a development server, and what its bucket holds. Used by `dofile`;
-- it is to be closed.
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local publication = require("two_tower.publish.publication")
local supabase = require("tt.supabase")
local t = require("tt.test")
local targets = require("two_tower.publish.target")

local here = fs.abspath(arg[0]:match("^(.*)/[^/]*$"))
local root = fs.dirname(fs.dirname(here))
local dev_server = dofile(here .. "/support/dev_server.lua")
local shell = dofile(here .. "/support/shell.lua")

local Stage = {}
Stage.__index = Stage

Stage.SMALL = { "--set", "training.epochs=1", "--set", "artifacts.embedding_dim=8", "--set",
    "training.batch_size=256" }

--- Runs a script as a person does; gives what it prints, and its exit status.
function Stage.run(environment, script, ...)
    local words = shell.words(shell.program, root .. (script:find("/") and "/" or "/lua/") .. script, ...)
    return shell.capture(("cd %s && env -u SUPABASE_URL -u SUPABASE_SERVICE_ROLE_KEY %s %s")
        :format(shell.quote(here), environment, words))
end

--- Runs a script that is to end well.
function Stage.run_well(...)
    local output, status = Stage.run("", ...)
    assert(status == 0, output)
    return output
end

--- A path in the folder of these tests.
function Stage:inside(name) return fs.join(self.folder, name) end

-- The bundles "one" and "two" of one database. The second one carries more, of which one file goes in pieces.
local function make_bundles(self)
    self.database = "sqlite:" .. self:inside("demo.sqlite")
    self.run_well("demo.lua", "--db", self.database, "--users", "60", "--videos", "120", "--decisions", "1500")
    for index, name in ipairs({ "one", "two" }) do
        self.run_well("pipeline.lua", "--db", self.database, "--artifacts", self:inside(name), "--checkpoint",
            self:inside("latest.pt"), "--version", name, "--set", "seed=" .. index, table.unpack(self.SMALL))
    end
    fs.write(self:inside("two/ort-wasm-simd-threaded.wasm"), ("\0asm"):rep(1700000))
    fs.write(self:inside("two/ort-wasm-simd-threaded.mjs"), "export default 1;\n")
    fs.mkdir(self:inside("two/more/deep"))
    fs.write(self:inside("two/more/deep/note.txt"), "a note\n")
    self.run_well("build_manifest.lua", "--artifacts-dir", self:inside("two"), "--version", "two")
end

--- A copy of a bundle, which may be changed.
function Stage:copy_of(name)
    local copy = fs.join(t.tmpdir(), name)
    os.execute(("cp -R %s %s"):format(shell.quote(self:inside(name)), shell.quote(copy)))
    return copy
end

--- A test with an empty bucket and a project that does not wait long between tries.
function Stage:remote(name, run, public)
    t.test(name, function()
        if not self.server then t.skip(self.reason) end
        self.server:faults({})
        local project <close> = supabase.open({ url = self.server.url, key = self.server.key,
            on_retry = function() end, retry = { base_s = 0.01, max_s = 0.05 } })
        local bucket = project:bucket(targets.BUCKET)
        if bucket:info() then
            local names = {}
            for index, object in ipairs(bucket:list()) do names[index] = object.name end
            bucket:remove(names)
            project:request({ method = "DELETE", url = "/storage/v1/bucket/" .. bucket.name })
        end
        if public == false then bucket:create({ public = false }) end
        self.said = {}
        run(project, bucket)
        self.server:faults({})
    end)
end

--- Publishes a bundle: one of these, or a folder.
function Stage:publish(project, artifacts, more)
    local options = { project = project, artifacts = artifacts:find("/") and artifacts or self:inside(artifacts),
        settle_s = 3 }
    for key, value in pairs(more or {}) do options[key] = value end
    return publication.publish(options)
end

--- What a folder of the bucket holds, seen by itself: a version when it is that bundle and nothing else, "nothing",
--- "unannounced" for files without a manifest, otherwise what is wrong.
function Stage.held(bucket, name)
    local base = targets.PREFIX .. "/" .. name
    local objects, there = bucket:list(base), {}
    if #objects == 0 then return "nothing" end
    for _, object in ipairs(objects) do there[object.name:sub(#base + 2)] = true end
    if not there["manifest.json"] then return "unannounced" end
    there["manifest.json"] = nil
    local content = json.decode(bucket:download(base .. "/manifest.json").body)
    local scratch <close> = fs.tempdir()
    for _, file in ipairs(content.files) do
        if not there[file.path] then return file.path .. " is missing" end
        there[file.path] = nil
        local got = bucket:download(base .. "/" .. file.path, { save = fs.join(scratch.path, "x") })
        if got.sha256 ~= file.sha256 then return file.path .. " differs" end
    end
    local extra = next(there)
    return extra and extra .. " is too many" or content.model_version
end

--- What "one", "two" and "current" hold.
function Stage:state(bucket)
    self.server:faults({})
    return { self.held(bucket, "one"), self.held(bucket, "two"), self.held(bucket, "current") }
end

--- What has been logged since the test began.
function Stage:lines() return table.concat(self.said, "\n") end

function Stage:__close()
    log.configure({ json = false, output = false })
    if self.server then self.server:stop() end
    self.temporary:close()
end

--- Makes the bundles and starts a server.
---@param label string of the server's database
return function(label)
    local temporary = fs.tempdir()
    local self = setmetatable({ temporary = temporary, folder = temporary.path, said = {} }, Stage)
    make_bundles(self)
    self.server, self.reason = dev_server.start(label, self:inside("dev"), "--dim 8")
    log.configure({ json = true, output = function(line) self.said[#self.said + 1] = line end })
    return self
end
