//! Translations of what people try first; of everything else the author says that he cannot translate it.

/// The languages of the table, in its order.
const LANGUAGES: &[&str] = &["French", "Spanish", "German", "Italian", "Portuguese", "Japanese", "Chinese"];

/// English first, then in the order of the languages.
const PHRASES: &[(&str, [&str; 7])] = &[
    ("hello", ["Bonjour", "Hola", "Hallo", "Ciao", "Olá", "こんにちは", "你好"]),
    (
        "good morning",
        ["Bonjour", "Buenos días", "Guten Morgen", "Buongiorno", "Bom dia", "おはようございます", "早上好"],
    ),
    (
        "good evening",
        ["Bonsoir", "Buenas tardes", "Guten Abend", "Buonasera", "Boa noite", "こんばんは", "晚上好"],
    ),
    (
        "good night",
        ["Bonne nuit", "Buenas noches", "Gute Nacht", "Buonanotte", "Boa noite", "おやすみなさい", "晚安"],
    ),
    ("goodbye", ["Au revoir", "Adiós", "Auf Wiedersehen", "Arrivederci", "Adeus", "さようなら", "再见"]),
    ("thank you", ["Merci", "Gracias", "Danke", "Grazie", "Obrigado", "ありがとうございます", "谢谢"]),
    ("please", ["S'il vous plaît", "Por favor", "Bitte", "Per favore", "Por favor", "お願いします", "请"]),
    ("yes", ["Oui", "Sí", "Ja", "Sì", "Sim", "はい", "是"]),
    ("no", ["Non", "No", "Nein", "No", "Não", "いいえ", "不"]),
    (
        "how are you",
        [
            "Comment allez-vous ?",
            "¿Cómo estás?",
            "Wie geht es Ihnen?",
            "Come stai?",
            "Como vai?",
            "お元気ですか",
            "你好吗？",
        ],
    ),
    (
        "i love you",
        ["Je t'aime", "Te quiero", "Ich liebe dich", "Ti amo", "Eu te amo", "愛しています", "我爱你"],
    ),
    ("welcome", ["Bienvenue", "Bienvenido", "Willkommen", "Benvenuto", "Bem-vindo", "ようこそ", "欢迎"]),
    (
        "happy birthday",
        [
            "Joyeux anniversaire",
            "Feliz cumpleaños",
            "Alles Gute zum Geburtstag",
            "Buon compleanno",
            "Feliz aniversário",
            "お誕生日おめでとうございます",
            "生日快乐",
        ],
    ),
    ("cheers", ["Santé !", "¡Salud!", "Prost!", "Cin cin!", "Saúde!", "乾杯", "干杯"]),
    (
        "good luck",
        [
            "Bonne chance",
            "Buena suerte",
            "Viel Glück",
            "Buona fortuna",
            "Boa sorte",
            "頑張ってください",
            "祝你好运",
        ],
    ),
    (
        "excuse me",
        ["Excusez-moi", "Disculpe", "Entschuldigung", "Mi scusi", "Com licença", "すみません", "打扰一下"],
    ),
    ("water", ["eau", "agua", "Wasser", "acqua", "água", "水", "水"]),
    ("river", ["rivière", "río", "Fluss", "fiume", "rio", "川", "河"]),
    (
        "hello world",
        [
            "Bonjour le monde",
            "Hola mundo",
            "Hallo Welt",
            "Ciao mondo",
            "Olá mundo",
            "ハローワールド",
            "你好，世界",
        ],
    ),
];

/// "Translate X to French", "How do you say X in French?": what is asked to be translated, answered.
pub(super) fn translation(asked: &str) -> Option<String> {
    let lower = asked.to_lowercase();
    if lower.len() != asked.len() {
        return None;
    }
    let starts =
        ["translate ", "how do you say ", "how do i say ", "how to say ", "say ", "what is ", "what's "];
    let request = lower.trim_start().strip_prefix("please ").unwrap_or(lower.trim_start());
    let start = starts.iter().find(|start| request.starts_with(**start))?;
    let from = lower.len() - request.len() + start.len();
    let language = language(&lower)?;
    let name = language.to_lowercase();
    let at = [" into ", " to ", " in "].iter().filter_map(|to| lower.rfind(&format!("{to}{name}"))).max();
    // "Translate to French: good morning"
    let phrase = match at.filter(|at| *at >= from) {
        Some(at) => asked.get(from..at)?,
        None => asked.split_once(':').map(|(_, phrase)| phrase).filter(|_| *start == "translate ")?,
    };
    let phrase = phrase.trim_matches(|c: char| c.is_whitespace() || "'\"“”‘’`:.?!".contains(c));
    if phrase.is_empty() || ["this", "it", "that"].contains(&phrase) {
        return None;
    }
    match known(phrase, language) {
        Some(found) => Some(format!("“{phrase}” in {language} is **{found}**.")),
        // "What is new in Spanish?" is a question of its own.
        None => (!start.starts_with("what")).then(|| unknown(phrase, language)),
    }
}

/// A text that came along, translated where it is one of the phrases.
pub(super) fn translate_text(instruction: &str, text: &str) -> String {
    let language = language(&instruction.to_lowercase()).unwrap_or("English");
    known(text, language).map_or_else(|| unknown(text, language), str::to_owned)
}

fn language(lower: &str) -> Option<&'static str> {
    let last = LANGUAGES.iter().filter_map(|name| Some((lower.rfind(&name.to_lowercase())?, *name))).max();
    last.map(|(_, name)| name)
}

fn known(phrase: &str, language: &str) -> Option<&'static str> {
    let lower = phrase.trim().trim_matches(|c: char| ".!?".contains(c)).to_lowercase();
    let (_, row) = PHRASES.iter().find(|(english, _)| *english == lower)?;
    LANGUAGES.iter().position(|name| *name == language).map(|at| row[at])
}

fn unknown(phrase: &str, language: &str) -> String {
    let shown: String = phrase.chars().take(200).collect();
    let more = if shown.len() < phrase.len() { "…" } else { "" };
    let some: Vec<_> = PHRASES.iter().take(6).map(|(english, _)| format!("“{english}”")).collect();
    format!(
        "To translate this into {language} would take a real model; Perennial's simulator knows a few phrases by heart, such as {}. \
         What you sent:\n\n> {}{more}",
        some.join(", "),
        shown.replace('\n', "\n> "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: &str, part: Option<&str>) {
        let said = translation(asked);
        assert_eq!(said.is_some(), part.is_some(), "{asked}: {said:?}");
        if let (Some(said), Some(part)) = (said, part) {
            assert!(said.contains(part), "{asked}: {said}");
        }
    }

    #[test]
    fn phrases_are_translated_and_nothing_else_is_pretended() {
        check("translate 'good morning' to French", Some("**Bonjour**"));
        check("Please translate \"thank you\" into German.", Some("**Danke**"));
        check("How do you say goodbye in Japanese?", Some("さようなら"));
        check("Say hello in Spanish", Some("**Hola**"));
        check("Translate to Italian: good night", Some("Buonanotte"));
        check("Translate 'the parser is slow' to French", Some("would take a real model"));
        check("What is new in Spanish?", None);
        check("What is the best food in Chinese restaurants?", None);
        check("Translate this to French", None);
        check("Explain French", None);
        assert_eq!(translate_text("translate to french", "Good morning!\n"), "Bonjour");
        assert!(translate_text("translate", "long text").contains("> long text"));
    }
}
