import Base
import LuaHost
import Tensors

/// Every native module, in the order of the architecture; the single list.
public func allModules() -> [LuaModule] {
    // Columns are worked on by the threads that tensors have.
    Workers.run = { count, body in try? Threads.run(count, body) }
    return [
        SQLModule.module,
        FrameModule.module,
        CSVModule.module,
        TensorModule.module,
        NNModule.module,
        TrainModule.module,
        CheckpointModule.module,
        ONNXModule.module,
        JSONModule.module,
        YAMLModule.module,
        FSModule.module,
        HashModule.module,
        TimeModule.module,
        ParquetModule.module,
        CLIModule.module,
        FeaturesModule.module,
        RandomModule.module,
        HTTPModule.module,
        SecretsModule.module,
    ]
}
