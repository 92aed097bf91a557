// swift-tools-version: 6.1
import PackageDescription

// A system library by its pkg-config name and the Debian package that provides it.
func library(_ name: String, _ pkgConfig: String, _ package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

// Target names are the rooms of docs/architecture.md; every arrow points up this list.
let targets: [Target] = [
    library("CLua", "lua5.4", "liblua5.4-dev"),
    library("CSQLite", "sqlite3", "libsqlite3-dev"),
    library("CCrypto", "libcrypto", "libssl-dev"),
    library("CEdit", "libedit", "libedit-dev"),
    library("CYAML", "yaml-0.1", "libyaml-dev"),
    library("CZlib", "zlib", "zlib1g-dev"),
    library("CZstd", "libzstd", "libzstd-dev"),
    library("CSnappy", "snappy", "libsnappy-dev"),
    library("CLZ4", "liblz4", "liblz4-dev"),
    .target(name: "CSystem"),
    .target(name: "CDigest"),
    .target(name: "CMath"),
    .target(name: "CLuaBridge", dependencies: ["CLua", "CMath", "CSystem"]),
    .target(name: "CPostgres"),
    .target(name: "CCurl"),
    .target(name: "CCodecs", dependencies: ["CZlib", "CZstd", "CSnappy", "CLZ4"]),
    .target(name: "CKernels", dependencies: ["CMath"]),
    .target(name: "CCarried"),

    .target(name: "Base", dependencies: ["CSystem", "CDigest", "CMath", "CCrypto"]),
    .target(name: "Files", dependencies: ["Base", "CSystem"]),
    .target(name: "JSON", dependencies: ["Base", "Files"]),
    .target(name: "YAML", dependencies: ["Base", "Files", "CYAML"]),
    .target(name: "Frames", dependencies: ["Base", "Files", "JSON", "CMath"]),
    .target(name: "Tensors", dependencies: ["Base", "CKernels"]),
    .target(name: "SQL", dependencies: ["Base", "JSON", "Frames", "CPostgres", "CSQLite"]),
    .target(name: "Parquet", dependencies: ["Base", "Files", "Frames", "CCodecs"]),
    .target(name: "Features", dependencies: ["Base", "Frames", "Tensors"]),
    .target(name: "Networks", dependencies: ["Base", "Tensors", "CKernels"]),
    .target(name: "Training", dependencies: ["Base", "Tensors", "Networks", "CKernels"]),
    .target(name: "Checkpoints", dependencies: ["Base", "Files", "JSON", "Tensors", "CZlib"]),
    .target(name: "ONNX", dependencies: ["Base", "Files", "Tensors", "Networks"]),
    .target(name: "Web", dependencies: ["Base", "Files", "JSON", "CCurl"]),
    .target(name: "LuaHost", dependencies: ["Base", "CLua", "CLuaBridge", "CSystem"]),
    .target(
        name: "LuaModules",
        dependencies: [
            "Base", "Files", "JSON", "YAML", "Frames", "Tensors", "SQL", "Parquet", "Features", "Networks", "Training",
            "Checkpoints", "ONNX",
            "Web", "LuaHost", "CSystem",
        ]),
    .executableTarget(
        name: "tt",
        dependencies: ["Base", "Files", "LuaHost", "LuaModules", "CCarried", "CEdit", "CLuaBridge", "CSystem"]),
]

// TT_TESTS="Base Frames" builds only those targets' tests, for a quick turn while working on one of them.
let tested = [
    "CMath", "Base", "Files", "JSON", "YAML", "Frames", "Tensors", "SQL", "Parquet", "Features", "Networks", "Training",
    "Checkpoints", "ONNX", "Web", "LuaHost",
]
let chosen = Context.environment["TT_TESTS"].map { $0.split(separator: " ").map(String.init) } ?? tested
// What tests import beside the target they test.
let beside: [String: [Target.Dependency]] = [
    "CMath": ["Base"], "Base": ["Files"], "Files": ["Base"], "JSON": ["Base", "Files"], "YAML": ["Base", "JSON"],
    "Frames": ["Base", "JSON"], "Features": ["Base", "Frames", "Tensors"],
    "Checkpoints": ["Base", "Files", "JSON", "Tensors"], "ONNX": ["Base", "Files", "Tensors", "Networks"],
    "Tensors": ["Base", "CKernels"], "Parquet": ["Base", "Files", "JSON", "Frames", "CCodecs"],
    "Networks": ["Base", "Tensors"], "Training": ["Base", "Tensors", "Networks"],
    "LuaHost": ["Base", "CLuaBridge", "CSystem"],
    "Web": ["Base", "Files", "CCurl", "CSystem", "CZlib"],
    "SQL": ["Base", "Files", "Frames", "CPostgres", "CSystem"],
]
let tests: [Target] = tested.filter(chosen.contains).map { name in
    .testTarget(
        name: name + "Tests", dependencies: [.byName(name: name), "TestSupport"] + beside[name, default: []],
        exclude: name == "Parquet" ? ["Fixtures"] : [])
}

let support = Target.target(
    name: "TestSupport", dependencies: ["Base", "Files", "JSON", "Tensors"], path: "Tests/TestSupport")

// What stands alone: data frames; Parquet files read and written; checkpoints that PyTorch reads and writes.
let libraries: [Product] = ["Frames", "Parquet", "Checkpoints"].map { .library(name: $0, targets: [$0]) }

let package = Package(
    name: "tt",
    products: [.executable(name: "tt", targets: ["tt"])] + libraries,
    targets: targets + [support] + tests,
    swiftLanguageModes: [.v6]
)
