import Base
import Testing

@Suite struct SecretsTests {
    private func hidden(_ text: String) -> String {
        String(decoding: Secrets.hide(in: Array(text.utf8)), as: UTF8.self)
    }

    @Test(arguments: [
        ("postgres://u:p%40ss@h/d and postgres://u@h/d", "postgres://u:***@h/d and postgres://u@h/d"),
        ("postgres://u:p@ss@h/d?x=a@b", "postgres://u:***@h/d?x=a@b"),
        ("http://[::1]:80/x ://a:b@c", "http://[::1]:80/x ://a:b@c"),
        ("x://:p@h", "x://:***@h"),
        ("PassWord = 'it\\'s' user=x sslpassword=a\\ b c", "PassWord = *** user=x sslpassword=*** c"),
        ("password='no end user=x", "password=***"),
        ("password= password=", "password= ***"),
        ("a passwordless word", "a passwordless word"),
        ("key eyJhbGciOi.J9.abc, and sb_secret_abc!", "key ***, and ***!"),
        ("eyJ.", "eyJ."), ("", ""),
    ])
    func passwordsAndKeys(_ text: String, _ shown: String) {
        #expect(hidden(text) == shown)
        #expect(hidden(shown) == shown)
    }

    @Test func concealedWordsAreHiddenEverywhere() {
        #expect(hidden("a word-of-my-own here") == "a word-of-my-own here")
        Secrets.conceal("word-of-my-own")
        Secrets.conceal("short")
        #expect(hidden("a word-of-my-own here, short") == "a *** here, short")
        #expect(hidden("word-of-my-ownword-of-my-own") == "******")
    }

    @Test func bytesThatAreNoTextStay() {
        #expect(Secrets.hide(in: [0xFF, 0x20, 0xC3]) == [0xFF, 0x20, 0xC3])
    }

    @Test func shortWordsAreHiddenWhereTheyStandAlone() {
        #expect(Secrets.hide(["ab", "abcd"], in: "ab cab abcde ab1 (ab)") == "*** cab ***e ab1 (***)")
        #expect(Secrets.hide([""], in: "x") == "x")
    }

    @Test func namesOfSecrets() {
        for name in ["service_role_key", "apiKey", "Authorization", "PASSWORD", "db.password", "key"] {
            #expect(Secrets.isSecret(name: name), "\(name)")
        }
        for name in ["monkey", "tokens", "keys", "", "keyed", "é"] { #expect(!Secrets.isSecret(name: name), "\(name)") }
    }

    @Test func timeGrowsWithTheLengthAlone() {
        for part in ["://a:", "password=", "eyJ", "x", "password", "://"] {
            let text = String(repeating: part, count: 200_000 / part.utf8.count)
            #expect(!hidden(text).isEmpty)
        }
    }
}
