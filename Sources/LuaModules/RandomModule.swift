import Base
import Frames
import LuaHost

/// `tt.random`: columns of random numbers from a seed.
enum RandomModule {
    static var module: LuaModule {
        LuaModule(
            "tt.random",
            functions: [
                // random.new(seed, {stream=}) -> Generator
                "new": { call in
                    let options = try call[2].options(["stream"])
                    return call.push(
                        object: RandomColumns(
                            seed: UInt64(bitPattern: try call[1].int64()),
                            stream: UInt64(bitPattern: try options.field("stream").optional?.int64() ?? 0)))
                }
            ],
            classes: [generatorClass])
    }

    private static var generatorClass: LuaClass {
        LuaClass(
            RandomColumns.self, "tt.RandomColumns",
            methods: [
                // random:uniform(count, low, high) -> Column
                "uniform": { call in
                    let generator = try call[1].object(RandomColumns.self)
                    return call.push(
                        object: try generator.uniform(
                            try call[2].count(), low: try call[3].optional?.double() ?? 0,
                            high: try call[4].optional?.double() ?? 1))
                },
                // random:normal(count, mean, std) -> Column
                "normal": { call in
                    let generator = try call[1].object(RandomColumns.self)
                    return call.push(
                        object: try generator.normal(
                            try call[2].count(), mean: try call[3].optional?.double() ?? 0,
                            deviation: try call[4].optional?.double() ?? 1))
                },
                // random:integers(count, low, high) -> Column
                "integers": { call in
                    let generator = try call[1].object(RandomColumns.self)
                    return call.push(
                        object: try generator.integers(
                            try call[2].count(), low: try call[3].int64(), high: try call[4].int64()))
                },
                // random:bools(count, probability) -> Column
                "bools": { call in
                    let generator = try call[1].object(RandomColumns.self)
                    return call.push(
                        object: try generator.bools(
                            try call[2].count(), probability: try call[3].optional?.double() ?? 0.5))
                },
                // random:uuids(count) -> Column
                "uuids": { call in
                    call.push(object: try call[1].object(RandomColumns.self).uuids(try call[2].count()))
                },
                // random:weighted(count, weights) -> Column
                "weighted": { call in
                    let generator = try call[1].object(RandomColumns.self)
                    return call.push(
                        object: try generator.weighted(try call[2].count(), weights: try call[3].doubles()))
                },
                // random:zipf(count, size, exponent) -> Column
                "zipf": { call in
                    let generator = try call[1].object(RandomColumns.self)
                    return call.push(
                        object: try generator.zipf(
                            try call[2].count(), size: try call[3].int(in: 1...Argument.countLimit),
                            exponent: try call[4].optional?.double() ?? 1))
                },
                // random:permutation(count) -> Column
                "permutation": { call in
                    call.push(object: try call[1].object(RandomColumns.self).permutation(try call[2].count()))
                },
            ])
    }
}
