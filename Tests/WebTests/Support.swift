import Base
import CCurl
import Glibc
import Testing

@testable import Web

/// A client for tests: its pauses are short.
func makeClient(_ server: TestServer? = nil, _ change: (inout ClientOptions) -> Void = { _ in }) throws -> Client {
    var options = ClientOptions()
    options.baseURL = server?.url
    options.proxy = ""
    options.retry?.base = 0.01
    options.retry?.limit = 0.02
    change(&options)
    return try Client(options)
}

/// The error that `body` ends with.
func webError(_ body: () throws -> Void) -> WebError? {
    do {
        try body()
    } catch let error as WebError {
        return error
    } catch {
        Issue.record("another kind of error: \(error)")
    }
    return nil
}

func detail(_ error: WebError?, _ name: String) -> Value? { error?.details.first { $0.0 == name }?.1 }

func text(_ response: Response) -> String { String(decoding: response.body ?? [], as: UTF8.self) }

func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = Clock.monotonic()
    try body()
    return Clock.monotonic() - start
}

let libcurlIsMissing = tt_curl_load() != nil
