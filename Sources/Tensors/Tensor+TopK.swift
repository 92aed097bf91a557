import Base
import CKernels

extension Tensor {
    /// The `k` greatest elements of each row and their 0-based indices, descending, ties by index; no gradient. (…, d)
    /// to two of (…, k).
    public func topK(_ k: Int) throws -> (values: Tensor, indices: Indices) {
        let (n, d) = try lastDimension("topk")
        guard k >= 0, k <= d, d <= Int(Int32.max) else {
            throw TensorError.shape("topk", shape, "\(k) asked for, a row has \(d)")
        }
        let target = Array(shape.dropLast()) + [k]
        let values = Tensor(uninitialized: target)
        let indices = StoragePool.buffer(Int32.self, count: values.count)
        let block = Swift.max(1, 65536 / Swift.max(d, 1))
        try Threads.run((n + block - 1) / block) { piece in
            try Interrupt.check()
            for row in (piece * block)..<Swift.min(n, (piece + 1) * block) {
                tt_top_k(values.pointer + row * k, indices.pointer + row * k, self.pointer + row * d, d, k)
            }
        }
        return (values, Indices(shape: target, storage: indices))
    }

    /// For each row of `queries` the `k` rows of `items` with the greatest dot products, descending, ties by index: an
    /// exact search over all items. No gradients.
    ///
    /// Products are computed tile by tile, and a heap per query keeps the best so far: memory is the result and one
    /// tile per thread, and results do not depend on the number of threads.
    /// - Parameters:
    ///   - queries: (n, e)
    ///   - items: (m, e)
    ///   - exclude: pairs of a query and an item to leave out, in any order.
    /// - Returns: products (n, k) and 0-based item indices (n, k). Rows with fewer than `k` items left are padded with
    ///   -infinity and -1.
    /// - Throws: `tensor.shape`, `tensor.value` for a product that is not finite.
    public static func topProducts(
        _ queries: Tensor, _ items: Tensor, _ k: Int, exclude: (queries: Indices, items: Indices)? = nil
    ) throws -> (values: Tensor, indices: Indices) {
        guard queries.rank == 2, items.rank == 2, queries.shape[1] == items.shape[1] else {
            throw TensorError.shape("topk", queries.shape, items.shape, "needs (n, e) and (m, e)")
        }
        let (n, m, e) = (queries.shape[0], items.shape[0], queries.shape[1])
        guard k >= 0, k <= m, m < Int(Int32.max) else {
            throw TensorError.shape("topk", items.shape, "\(k) asked for, there are \(m) items")
        }
        _ = try checkedElements([n, k], "topk")
        let exclusions = try exclude.map { try Exclusions($0.queries, $0.items, queryCount: n, itemCount: m) }
        let values = Tensor(uninitialized: [n, k])
        let itemIndices = StoragePool.buffer(Int32.self, count: n * k)
        let result = (values, Indices(shape: [n, k], storage: itemIndices))
        guard k > 0 else { return result }
        let height = 256
        let width = 512
        try Threads.run((n + height - 1) / height) { piece in
            let start = piece * height
            let rows = Swift.min(height, n - start)
            let best = values.pointer + start * k
            let bestIndices = itemIndices.pointer + start * k
            let tile = StoragePool.buffer(Float.self, count: rows * Swift.min(width, m))
            var next = exclusions?.starts(from: start, count: rows) ?? []
            tt_top_k_begin(best, bestIndices, rows * k)
            for first in stride(from: 0, to: m, by: width) {
                try Interrupt.check()
                let columns = Swift.min(width, m - first)
                Product.runOnThisThread(
                    tile.pointer, queries.pointer + start * e, .init(items.pointer + first * e, transposed: true),
                    m: rows, n: columns, k: e)
                exclusions?.mask(tile, rows: rows, query: start, item: first, width: columns, &next)
                let bad = tt_top_k_update(best, bestIndices, tile.pointer, rows, columns, k, Int32(first))
                guard bad < 0 else { throw notFinite(queries, items, query: start + bad) }
            }
            tt_top_k_finish(best, bestIndices, rows, k)
        }
        return result
    }

    private static func notFinite(_ queries: Tensor, _ items: Tensor, query: Int) -> TensorError {
        let e = queries.shape[1]
        if !tt_all_finite(queries.pointer + query * e, e) {
            return TensorError("tensor.value", "topk: query \(query + 1) has an element that is not finite")
        }
        if let item = (0..<items.shape[0]).first(where: { !tt_all_finite(items.pointer + $0 * e, e) }) {
            return TensorError("tensor.value", "topk: item \(item + 1) has an element that is not finite")
        }
        return TensorError("tensor.value", "topk: a product of query \(query + 1) is too large for a float32")
    }
}

/// Excluded pairs of a query and an item, grouped by query, items ascending.
private struct Exclusions {
    private let offsets: Buffer<Int>
    private let items: Buffer<Int32>

    init(_ queries: Indices, _ places: Indices, queryCount: Int, itemCount: Int) throws {
        guard queries.count == places.count else {
            throw TensorError(
                "tensor.shape", "topk: exclude has \(queries.count) queries and \(places.count) items, it takes pairs")
        }
        try queries.check(below: queryCount, "topk: exclude, queries")
        try places.check(below: itemCount, "topk: exclude, items")
        // A counting sort by query: each start moves to its end, the next start.
        offsets = Buffer(repeating: 0, count: queryCount + 2)
        for pair in 0..<queries.count { offsets[queries[pair] + 2] += 1 }
        for query in 0..<queryCount { offsets[query + 2] += offsets[query + 1] }
        items = Buffer(uninitialized: queries.count)
        for pair in 0..<queries.count {
            let query = queries[pair]
            items[offsets[query + 1]] = places.pointer[pair]
            offsets[query + 1] += 1
        }
        for query in 0..<queryCount {
            if query & 0xFFF == 0 { try Interrupt.check() }
            let count = offsets[query + 1] - offsets[query]
            guard count > 1 else { continue }
            var own = UnsafeMutableBufferPointer(start: items.pointer + offsets[query], count: count)
            own.sort()
        }
    }

    func starts(from query: Int, count: Int) -> [Int] { (0..<count).map { offsets[query + $0] } }

    /// Overwrites the excluded elements of a tile; `next` holds each row's position in the list.
    func mask(_ tile: Buffer<Float>, rows: Int, query: Int, item: Int, width: Int, _ next: inout [Int]) {
        for row in 0..<rows {
            let end = offsets[query + row + 1]
            while next[row] < end, Int(items[next[row]]) < item + width {
                tile[row * width + Int(items[next[row]]) - item] = -Float.greatestFiniteMagnitude
                next[row] += 1
            }
        }
    }
}
