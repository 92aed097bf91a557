-- The manifest stage: checks that an artifacts directory belongs together, and lists its files with digests.

local options = require("two_tower.options")
local stages = require("two_tower.stages")

local given = options.parse({
    name = "build_manifest.lua",
    summary = "Checks an artifacts directory and writes its manifest.",
    options = {
        { flag = "--artifacts-dir", type = "path", value = "DIR", default = "artifacts",
            help = "the artifacts directory" },
        { flag = "--output", type = "path", help = "the manifest to write (default: manifest.json in the directory)" },
        { flag = "--version", value = "VERSION", required = true, help = "the model's version, unique per bundle" },
        { flag = "--commit-sha", value = "SHA", env = "GITHUB_SHA", default = "", help = "recorded in the manifest" },
    },
    examples = { "tt build_manifest.lua --version 20250101T000000Z-abc1234" },
})
stages.check_version(given.version)
stages.manifest({ artifacts = given.artifacts_dir, output = given.output, version = given.version,
    commit_sha = given.commit_sha })
