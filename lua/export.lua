-- The export stage: a checkpoint to the ONNX user tower and the JSON side files. Dimensions come from the checkpoint.

local options = require("two_tower.options")
local stages = require("two_tower.stages")

local given = options.parse({
    name = "export.lua",
    summary = "Exports a checkpoint's user tower to ONNX and writes the JSON files that go with it.",
    config = true,
    options = {
        { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt",
            help = "the checkpoint, written by tt or by PyTorch" },
        { flag = "--output-dir", type = "path", value = "DIR", default = "artifacts",
            help = "the artifacts directory" },
    },
    examples = { "tt export.lua --checkpoint old.pt --output-dir artifacts" },
})
stages.export({ checkpoint = given.checkpoint, artifacts = given.output_dir, config = options.explicit_config(given) })
