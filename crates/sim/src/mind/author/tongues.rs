//! Answers in Chinese, Japanese and Korean, for questions asked in them.

use super::super::digest::Dice;
use super::super::tokens;

/// A language that the author writes besides English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    Chinese,
    Japanese,
    Korean,
}

struct Words {
    hello: &'static str,
    intro: &'static [&'static str],
    points: &'static str,
    heads: &'static [&'static str],
    bodies: &'static [&'static str],
    steps: &'static str,
    sentences: &'static [&'static str],
    close: &'static str,
}

const CHINESE: Words = Words {
    hello: "你好！我是 Perennial 的模拟器，代替 Claude 回答。今天想聊点什么？👋",
    intro: &[
        "我是模拟器，不了解这个话题的具体事实，下面是对任何话题都适用的看法。",
        "具体的事实我并不知道，只能给出一个通用的思路。",
    ],
    points: "要点",
    heads: &["先看整体", "从小处着手", "留出余地", "记录原因", "及时检查", "说清边界"],
    bodies: &[
        "弄清楚目标是什么，再决定用什么办法。",
        "用一个小例子验证想法，比争论更快。",
        "容易撤销的决定可以快一点，难以撤销的要慢一点。",
        "把为什么写下来，半年以后会感谢自己。",
        "每走一步都看看结果，不要等到最后。",
    ],
    steps: "可以这样做",
    sentences: &[
        "第一次尝试往往不完美，但它告诉我们下一步该看哪里。",
        "好的默认值能替大多数人省下时间。",
        "说得简单并不等于想得简单。",
        "先让它能用，再让它好用。",
        "数字比印象可靠，但也要问数字从哪里来。",
        "把大问题切成小问题，每一块都能单独检验。",
        "最难的部分常常不是开始，而是中间断掉之后怎样继续。",
    ],
    close: "（本文由 Perennial 模拟器生成，并非 Claude。）",
};

const JAPANESE: Words = Words {
    hello: "こんにちは！Claude の代わりにお答えする、Perennial のシミュレーターです。今日は何をお話ししましょうか。👋",
    intro: &[
        "シミュレーターなので詳しい事実は知りませんが、どんな話題にも使える見方をお伝えします。",
        "この話題の事実は手元にありません。代わりに、考え方の順番を挙げます。",
    ],
    points: "ポイント",
    heads: &["全体を見る", "小さく始める", "余裕を残す", "理由を書く", "こまめに確かめる", "境界を決める"],
    bodies: &[
        "目的がはっきりすれば、手段は自然に決まります。",
        "小さな例で試すほうが、議論するより早いです。",
        "やり直せる決定は早く、やり直せない決定は慎重に。",
        "なぜそうしたのかを残しておくと、後で助かります。",
        "一歩ごとに結果を見て、最後まで待たないことです。",
    ],
    steps: "手順",
    sentences: &[
        "最初の試みは完璧でなくても、次に見るべき場所を教えてくれます。",
        "よい初期値は多くの人の時間を節約します。",
        "まず動かし、それから整えます。",
        "数字は印象より確かですが、その出どころも大切です。",
        "大きな問題は小さく分けると、一つずつ確かめられます。",
        "難しいのは始めることより、途切れた後に続けることです。",
    ],
    close: "（この文章は Claude ではなく、Perennial のシミュレーターが書きました。）",
};

const KOREAN: Words = Words {
    hello: "안녕하세요! Claude를 대신하는 Perennial 시뮬레이터입니다. 무엇을 도와드릴까요? 👋",
    intro: &[
        "시뮬레이터라서 자세한 사실은 모르지만, 어떤 주제에도 쓸 수 있는 방법을 적어 봅니다.",
        "이 주제에 대한 사실은 없습니다. 대신 생각하는 순서를 알려 드립니다.",
    ],
    points: "핵심",
    heads: &["전체를 보기", "작게 시작하기", "여유를 두기", "이유를 적기", "자주 확인하기", "경계를 정하기"],
    bodies: &[
        "목표가 분명하면 방법은 저절로 정해집니다.",
        "작은 예로 시험하는 것이 논쟁보다 빠릅니다.",
        "되돌릴 수 있는 결정은 빠르게, 아닌 것은 천천히 합니다.",
        "왜 그렇게 했는지 적어 두면 나중에 도움이 됩니다.",
        "한 걸음마다 결과를 보고, 끝까지 기다리지 마세요.",
    ],
    steps: "이렇게 해 보세요",
    sentences: &[
        "첫 시도는 완벽하지 않아도 다음에 볼 곳을 알려 줍니다.",
        "좋은 기본값은 많은 사람의 시간을 아껴 줍니다.",
        "먼저 동작하게 하고, 그다음에 다듬습니다.",
        "숫자는 인상보다 믿을 만하지만 출처도 물어야 합니다.",
        "큰 문제는 작게 나누면 하나씩 확인할 수 있습니다.",
        "어려운 것은 시작이 아니라 끊긴 뒤에 이어 가는 일입니다.",
    ],
    close: "(이 글은 Claude가 아니라 Perennial 시뮬레이터가 썼습니다.)",
};

/// Ends of a question that ask instead of naming what it is about.
const REQUESTS: &[&str] = &[
    "ください",
    "教えて",
    "説明して",
    "を",
    "について",
    "とは何ですか",
    "とは",
    "是什么",
    "에 대해 알려 주세요",
    "에 대해 설명해 주세요",
];

impl Tongue {
    /// The language of a text, when it is mostly one of these.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (mut kana, mut hangul, mut han, mut latin) = (0, 0, 0, 0);
        for c in text.chars().take(400) {
            match u32::from(c) {
                0x3040..=0x30FF => kana += 1,
                0xAC00..=0xD7AF => hangul += 1,
                0x4E00..=0x9FFF => han += 1,
                _ if c.is_alphabetic() => latin += 1,
                _ => {}
            }
        }
        if (kana + hangul + han) * 2 <= latin {
            return None;
        }
        match (kana, hangul, han) {
            (0, 0, 0) => None,
            (0, 0, _) => Some(Self::Chinese),
            (kana, hangul, _) if kana >= hangul => Some(Self::Japanese),
            _ => Some(Self::Korean),
        }
    }

    /// An answer in this language.
    pub(super) fn write(self, dice: &mut Dice, asked: &str, target: Option<u64>, first: bool) -> String {
        let words = match self {
            Self::Chinese => &CHINESE,
            Self::Japanese => &JAPANESE,
            Self::Korean => &KOREAN,
        };
        let opens = ["你好", "您好", "你是谁", "こんにちは", "あなたは誰", "안녕", "누구"];
        if opens.iter().any(|hello| asked.contains(hello)) && asked.chars().count() < 10 {
            return words.hello.to_owned();
        }
        let line = asked.lines().next().unwrap_or_default();
        let mut subject = line.trim().trim_end_matches(['？', '?', '。', '.', '！']);
        for request in REQUESTS {
            subject = subject.strip_suffix(request).filter(|rest| !rest.is_empty()).unwrap_or(subject);
        }
        let subject: String = subject.trim_start_matches("请").chars().take(40).collect();
        let joint = if self == Self::Korean { " " } else { "" };
        let mut text = format!("## {subject}\n\n{}\n\n### {}\n", dice.pick(words.intro), words.points);
        let pairs: Vec<_> = words.heads.iter().zip(words.bodies).collect();
        let from = dice.roll(pairs.len());
        for (head, body) in pairs.iter().cycle().skip(from).take(3) {
            text.push_str(&format!("\n- **{head}**：{body}"));
        }
        text.push_str(&format!("\n\n### {}\n\n", words.steps));
        text.push_str(&sentences(dice, words, joint, 3));
        let mut have = tokens::count(&text);
        let mut part = 0;
        while target.is_some_and(|target| have < target) {
            part += 1;
            let more =
                format!("\n\n### {part}. {}\n\n{}", dice.pick(words.heads), sentences(dice, words, joint, 5));
            have += tokens::count(&more);
            text.push_str(&more);
        }
        if first {
            text.push_str(&format!("\n\n{}", words.close));
        }
        text
    }
}

/// So many sentences; none comes again before all have come.
fn sentences(dice: &mut Dice, words: &Words, joint: &str, n: usize) -> String {
    let mut left: Vec<&str> = Vec::new();
    let all: Vec<_> = (0..n)
        .map(|_| {
            if left.is_empty() {
                left = words.sentences.to_vec();
            }
            left.swap_remove(dice.roll(left.len()))
        })
        .collect();
    all.join(joint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        for (text, tongue) in [
            ("为什么天空是蓝色的？", Some(Tongue::Chinese)),
            ("空はなぜ青いのですか", Some(Tongue::Japanese)),
            ("하늘은 왜 파란가요?", Some(Tongue::Korean)),
            ("Why is the sky blue?", None),
            ("What does 空 mean in Japanese writing?", None),
            ("🎉", None),
        ] {
            assert_eq!(Tongue::of(text), tongue, "{text}");
        }
    }
}
