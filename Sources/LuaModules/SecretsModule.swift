import Base
import LuaHost

/// `tt.internal.secrets`: what `tt.log` and others hide by.
enum SecretsModule {
    static var module: LuaModule {
        LuaModule(
            "tt.internal.secrets",
            functions: [
                // secrets.conceal(word)
                "conceal": { call in
                    Secrets.conceal(try call[1].string())
                    return 0
                },
                // secrets.hide(text) -> text
                "hide": { call in call.push(Secrets.hide(in: try call[1].bytes())) },
                // secrets.is_secret(name) -> boolean
                "is_secret": { call in call.push(Secrets.isSecret(name: try call[1].string())) },
            ])
    }
}
