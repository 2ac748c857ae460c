import { findWord, nameOfCharacter, parseSound, type WordSound } from "./lexicon.ts";

const VOWEL = /^[AEIOU]/;
const VOICELESS = new Set(["P", "T", "K", "F", "TH", "S", "SH", "CH", "HH"]);
const SIBILANTS = new Set(["S", "Z", "SH", "ZH", "CH", "JH"]);

/**
 * Spelling at the head of what is left of a word, and its sounds; the first match counts. `_` marks
 * the start of a word.
 */
const RULES: readonly (readonly [spelling: RegExp, sounds: string])[] = (
  [
    ["_kn", "N"],
    ["_gn", "N"],
    ["_wr", "R"],
    ["_ps", "S"],
    ["_x", "Z"],
    ["_wh", "W"],
    ["_y", "Y"],
    ["_a(?=[lmnr]?[bcdfglmnprst][aeiou]\\w{2})", "AH"],
    ["tion$|sion$|cian$", "SH AH N"],
    ["tions$", "SH AH N Z"],
    ["ture$", "CH ER"],
    ["sure$", "ZH ER"],
    ["ous$", "AH S"],
    ["(?<=[a-z])[ai]ble$", "AH B AH L"],
    ["_able$", "EY B AH L"],
    ["([bdgpt])le$", "= AH L"],
    ["(?<=[a-z]{2})age$", "IH JH"],
    ["ies$", "IY Z"],
    ["ied$", "IY D"],
    ["(?<=[aeiouy]\\w*[td])ed$", "AH D"],
    ["(?<=[aeiouy]\\w*[cfhkpsx])ed$", "T"],
    ["(?<=[aeiouy]\\w*)ed$", "D"],
    ["_uni", "Y UW N IH"],
    ["a(?=tion)", "EY"],
    ["e$|es$(?<![cghsxz]es)", ""],
    ["e(?=(?:ly|ment|ful|less)$)", ""],
    ["eigh", "EY"],
    ["ough", "AO"],
    ["augh", "AO"],
    ["igh", "AY"],
    ["tch", "CH"],
    ["dge", "JH"],
    ["sch", "S K"],
    ["gh", ""],
    ["ck", "K"],
    ["sh", "SH"],
    ["ch", "CH"],
    ["th", "TH"],
    ["ph", "F"],
    ["wh", "W"],
    ["qu", "K W"],
    ["ng(?=[aeiou])", "NG G"],
    ["ng", "NG"],
    ["n(?=k|c[^eiy]|x)", "NG"],
    ["mb$", "M"],
    ["sc(?=[eiy])", "S"],
    ["c(?=ia|io)", "SH"],
    ["c(?=[eiy])", "S"],
    ["g(?=[eiy])", "JH"],
    ["air|are$", "EH R"],
    ["eer|ear|ere$", "IH R"],
    ["ire$", "AY ER"],
    ["ure$", "Y UH R"],
    ["oar|oor|ore|our", "AO R"],
    ["ar(?![aeiouy])", "AA R"],
    ["(?:er|ir|ur)(?![aeiouy])", "ER"],
    ["or(?![aeiouy])", "AO R"],
    ["ee|ea|ie", "IY"],
    ["ei|ey", "EY"],
    ["ai|ay", "EY"],
    ["au|aw", "AO"],
    ["oa|oe", "OW"],
    ["oi|oy", "OY"],
    ["oo", "UW"],
    ["ou", "AW"],
    ["ow$", "OW"],
    ["ow", "AW"],
    ["eu|ew|ue|ui", "UW"],
    ["al(?=l|k)", "AO L"],
    ["a(?=[^aeiouywx](?:e|es|ed|ing)$|ste$)", "EY"],
    ["e(?=[^aeiouywx](?:e|es)$)", "IY"],
    ["i(?=[^aeiouywx](?:e|es|ed|ing)$|nd$|ld$)", "AY"],
    ["o(?=[^aeiouywx](?:e|es|ed|ing)$|ld|st$|ll$)", "OW"],
    ["u(?=[^aeiouywx](?:e|es|ed|ing)$)", "UW"],
    ["y(?=[^aeiouywx]e$)", "AY"],
    ["y$", "IY"],
    ["o$", "OW"],
    ["a$", "AH"],
    ["i$", "IY"],
    ["u$", "UW"],
    ["a", "AE"],
    ["e", "EH"],
    ["i|y", "IH"],
    ["o", "AA"],
    ["u", "AH"],
    ["bb?", "B"],
    ["cc?", "K"],
    ["dd?", "D"],
    ["ff?", "F"],
    ["gg?", "G"],
    ["h", "HH"],
    ["j", "JH"],
    ["kk?", "K"],
    ["ll?", "L"],
    ["mm?", "M"],
    ["nn?", "N"],
    ["pp?", "P"],
    ["q", "K"],
    ["rr?", "R"],
    ["ss", "S"],
    ["s(?<=[aeiou]s)(?=[aeiou])", "Z"],
    ["s", "S"],
    ["tt?", "T"],
    ["vv?", "V"],
    ["w", "W"],
    ["x", "K S"],
    ["zz?", "Z"],
  ] as const
).map(([spelling, sounds]) => [new RegExp(spelling, "y"), sounds]);

/**
 * The sounds of a word: from the lexicon, from the stem of an inflected form, or by rules from its
 * letters. What has no vowel is spelled out.
 *
 * @param word lower case letters `a` to `z`, apostrophes or digits
 */
export function pronounce(word: string): readonly WordSound[] {
  const known = findWord(word) ?? inflectKnownStem(word);
  if (known) return known;
  const letters = word.replaceAll("'", "");
  const sounds = /\d/.test(letters) || letters.length < 2 ? [] : soundOut(letters);
  if (sounds.some(({ symbol }) => VOWEL.test(symbol))) return sounds;
  return Array.from(letters).flatMap((character) => nameOfCharacter(character));
}

/** Plurals, past tenses and participles of words in the lexicon. */
function inflectKnownStem(word: string): readonly WordSound[] | undefined {
  const [, plural] = /^(.+?)'?s$/.exec(word) ?? [];
  const pluralStem = plural && findStem(plural);
  if (pluralStem) return [...pluralStem, ...pluralEnding(pluralStem)];
  const [, past] = /^(.+)ed$/.exec(word) ?? [];
  const pastStem = past && findStem(past);
  if (pastStem) return [...pastStem, ...pastEnding(pastStem)];
  for (const [ending, sounds] of [
    ["ing", "IH0 NG"],
    ["ly", "L IY0"],
    ["er", "ER0"],
    ["est", "AH0 S T"],
  ] as const) {
    const stem = word.endsWith(ending) && findStem(word.slice(0, -ending.length));
    if (stem) return [...stem, ...sounds.split(" ").map(parseSound)];
  }
  return undefined;
}

/** Undoes a dropped `e`, a doubled consonant, and `i` for `y`. */
function findStem(stem: string): readonly WordSound[] | undefined {
  if (stem.length < 2) return undefined;
  return (
    findWord(stem) ??
    findWord(`${stem}e`) ??
    (/(.)\1$/.test(stem) ? findWord(stem.slice(0, -1)) : undefined) ??
    (/ie?$/.test(stem) ? findWord(stem.replace(/ie?$/, "y")) : undefined) ??
    (stem.endsWith("e") ? findWord(stem.slice(0, -1)) : undefined)
  );
}

function pluralEnding(stem: readonly WordSound[]): readonly WordSound[] {
  const last = stem.at(-1)?.symbol ?? "";
  if (SIBILANTS.has(last)) return ["AH0", "Z"].map(parseSound);
  return [parseSound(VOICELESS.has(last) ? "S" : "Z")];
}

function pastEnding(stem: readonly WordSound[]): readonly WordSound[] {
  const last = stem.at(-1)?.symbol ?? "";
  if (last === "T" || last === "D") return ["AH0", "D"].map(parseSound);
  return [parseSound(VOICELESS.has(last) ? "T" : "D")];
}

function soundOut(letters: string): readonly WordSound[] {
  const marked = `_${letters}`;
  const symbols: string[] = [];
  let position = 0;
  while (position < marked.length) {
    const [length, sounds] = matchRule(marked, position);
    symbols.push(...sounds);
    position += length;
  }
  return addStress(lengthenOpenVowel(letters, symbols));
}

function matchRule(marked: string, position: number): readonly [number, readonly string[]] {
  for (const [spelling, sounds] of RULES) {
    spelling.lastIndex = position;
    const match = spelling.exec(marked);
    if (!match || match[0] === "") continue;
    const repeated = sounds.replace("=", (match[1] ?? "").toUpperCase());
    return [match[0].length, repeated === "" ? [] : repeated.split(" ")];
  }
  return [1, []];
}

/** The vowel of `me`, `go` and `my`. */
function lengthenOpenVowel(letters: string, symbols: readonly string[]): readonly string[] {
  const [, consonants, vowel] = /^([^aeiouy]+)([eoy])$/.exec(letters) ?? [];
  if (consonants === undefined || vowel === undefined) return symbols;
  const long = { e: "IY", o: "OW", y: "AY" }[vowel] ?? "";
  return [...symbols.filter((symbol) => !VOWEL.test(symbol)), long];
}

/** On the first vowel that is not a reduced one. */
function addStress(symbols: readonly string[]): readonly WordSound[] {
  const first = symbols.findIndex(
    (symbol, index) => VOWEL.test(symbol) && (index > 0 || symbol !== "AH"),
  );
  const stressed = first === -1 ? symbols.findIndex((symbol) => VOWEL.test(symbol)) : first;
  return symbols.map((symbol, index) => ({ symbol, stress: index === stressed ? 1 : 0 }));
}
