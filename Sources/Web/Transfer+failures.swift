import Base
import CCurl

extension Transfer {
    /// Why an attempt gave no answer, and whether another one might.
    struct Failure {
        let error: any Error
        let isTemporary: Bool
    }

    var brokenOff: WebError {
        failure(
            "http.incomplete",
            answer.hasBegun
                ? "the connection broke before the answer was whole" : "the connection was closed before an answer came"
        )
    }

    /// The failure that libcurl's `code` stands for.
    func classify(_ code: CURLcode) -> Failure {
        if let thrown {
            return Failure(error: thrown, isTemporary: (thrown as? WebError)?.code == "http.incomplete")
        }
        let text = reasonText(code)
        func temporary(_ code: String, _ text: String) -> Failure {
            Failure(error: failure(code, text), isTemporary: true)
        }
        func final(_ code: String, _ text: String) -> Failure {
            Failure(error: failure(code, text), isTemporary: false)
        }
        switch code {
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST: return temporary("http.resolve", text)
        case CURLE_COULDNT_CONNECT, CURLE_PROXY: return temporary("http.connect", text)
        case CURLE_OPERATION_TIMEDOUT:
            return temporary(
                "http.timeout", "no connection within \(seconds(options.connectTimeout)) (connect_timeout_s)")
        case CURLE_SSL_CONNECT_ERROR where isBreak(text): return temporary("http.connect", text)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CIPHER,
            CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CRL_BADFILE, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_ENGINE_INITFAILED, CURLE_USE_SSL_FAILED:
            return final("http.tls", text)
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR:
            if connections == 0 { return temporary("http.connect", text) }
            return Failure(error: brokenOff, isTemporary: true)
        case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            return Failure(error: brokenOff, isTemporary: true)
        case CURLE_URL_MALFORMAT: return final("http.url", text)
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY:
            return final("http.failed", "what came is no HTTP answer: \(text)")
        case CURLE_OUT_OF_MEMORY: return final("http.failed", "out of memory")
        default: return final("http.failed", text)
        }
    }

    var timedOut: Failure {
        let limit = request.timeout ?? options.timeout
        return Failure(
            error: failure("http.timeout", "no answer within \(seconds(limit)) (timeout_s)"), isTemporary: true)
    }

    var idled: Failure {
        let limit = request.idleTimeout ?? options.idleTimeout
        return Failure(
            error: failure("http.timeout", "no byte for \(seconds(limit)) (idle_timeout_s)"), isTemporary: true)
    }

    /// Whether it may be tried again without harm.
    func mayRepeat(_ failure: Failure) -> Bool { failure.isTemporary && (request.isRepeatable || sentNothing) }

    /// libcurl's own words without secrets.
    private func reasonText(_ code: CURLcode) -> String {
        let text = String(cString: reason)
        return Secrets.hide(inMessage: text.isEmpty ? String(cString: tt_curl_easy_strerror(code)) : text)
    }

    /// A TLS handshake that did not fail but was cut off.
    private func isBreak(_ text: String) -> Bool {
        ["SSL_ERROR_SYSCALL", "Connection reset", "unexpected eof", "Broken pipe"].contains { text.contains($0) }
    }

    private func seconds(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? "\(Int(number)) s" : "\(number) s"
    }
}
