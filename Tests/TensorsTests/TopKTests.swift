import Base
import Testing

@testable import Tensors

/// The best products of each query, against a plain sort.
@Suite(.serialized) struct TopKTests {
    /// Small whole numbers: products are exact and many are equal.
    private func whole(_ shape: [Int], seed: UInt64) -> Tensor {
        let random = Tensor.uniform(shape, low: -3, high: 4, seed: seed)
        for index in 0..<random.count { random.pointer[index].round(.down) }
        return random
    }

    private func expected(_ queries: Tensor, _ items: Tensor, _ k: Int, query: Int, without: Set<Int>) -> [(Float, Int)]
    {
        let e = items.shape[1]
        let all = (0..<items.shape[0]).filter { !without.contains($0) }.map { item -> (Float, Int) in
            ((0..<e).reduce(Float(0)) { $0 + queries.pointer[query * e + $1] * items.pointer[item * e + $1] }, item)
        }
        let best = all.sorted { $0.0 > $1.0 || ($0.0 == $1.0 && $0.1 < $1.1) }.prefix(k)
        return best + (best.count..<k).map { _ in (-Float.infinity, -1) }
    }

    @Test(arguments: [(1, 1, 1), (3, 70, 5), (300, 2100, 17), (5, 1025, 1025), (257, 64, 64)])
    func findsTheBestInOrder(_ n: Int, _ m: Int, _ k: Int) throws {
        let queries = whole([n, 7], seed: 1)
        let items = whole([m, 7], seed: 2)
        var random = Random(seed: 3, stream: 0)
        var pairs: [(Int, Int)] = []
        for query in 0..<n where query % 3 != 1 {
            for _ in 0..<(query % 7 * m / 8) { pairs.append((query, Int(random.uniform() * Double(m)))) }
        }
        let exclude = (queries: try Indices(pairs.map(\.0)), items: try Indices(pairs.map(\.1)))
        let before = Threads.count
        defer { Threads.count = before }
        for threads in [1, 4] {
            Threads.count = threads
            for exclude in [nil, exclude] {
                let (values, places) = try Tensor.topProducts(queries, items, k, exclude: exclude)
                #expect(values.shape == [n, k] && places.shape == [n, k])
                for query in 0..<n {
                    let without = exclude == nil ? [] : Set(pairs.filter { $0.0 == query }.map(\.1))
                    let best = expected(queries, items, k, query: query, without: without)
                    #expect((0..<k).map { values.pointer[query * k + $0] } == best.map(\.0))
                    #expect((0..<k).map { places[query * k + $0] } == best.map(\.1))
                }
            }
        }
    }

    @Test func emptySidesGiveEmptyResults() throws {
        let some = Tensor(zeros: [4, 3])
        #expect(try Tensor.topProducts(Tensor(zeros: [0, 3]), some, 2).values.shape == [0, 2])
        #expect(try Tensor.topProducts(some, Tensor(zeros: [0, 3]), 0).values.shape == [4, 0])
        #expect(try Tensor.topProducts(Tensor(zeros: [2, 0]), Tensor(zeros: [3, 0]), 1).indices[1] == 0)
    }

    @Test func whatIsNotFiniteIsRefused() throws {
        let queries = Tensor(shape: [200, 3], repeating: 1)
        let items = Tensor(shape: [1100, 3], repeating: 1)
        func message() -> String? {
            do { _ = try Tensor.topProducts(queries, items, 2) } catch { return (error as? any TTError)?.message }
            return nil
        }
        #expect(message() == nil)
        for (row, value) in [(5, Float.nan), (1099, .infinity)] {
            items.pointer[row * 3] = value
            #expect(message() == "topk: item \(row + 1) has an element that is not finite")
            items.pointer[row * 3] = 1
        }
        queries.pointer[150 * 3 + 2] = .nan
        #expect(message() == "topk: query 151 has an element that is not finite")
        queries.pointer[150 * 3 + 2] = 3e38
        #expect(message() == nil)
        items.pointer[2] = 2
        #expect(message() == "topk: a product of query 151 is too large for a float32")
    }
}
