/** A sound of a word: an ARPAbet symbol, and the stress of a vowel (0 for consonants). */
export interface WordSound {
  readonly symbol: string;
  /** 0 = unstressed, 1 = primary, 2 = secondary. */
  readonly stress: 0 | 1 | 2;
}

/** Words and their sounds in General American, vowels with their stress. Words of grammar carry none. */
const ENTRIES = `
a AH0, an AH0 N, the DH AH0, this DH IH1 S, that DH AE1 T, these DH IY1 Z, those DH OW1 Z, my M AY0,
your Y AO0 R, our AW0 ER0, his HH IH0 Z, her HH ER0, their DH EH0 R, its IH0 T S, some S AH0 M,
every EH1 V R IY0, each IY1 CH, no N OW1, yes Y EH1 S, not N AA1 T, all AO1 L, both B OW1 TH,
i AY0, you Y UW0, he HH IY0, she SH IY0, it IH0 T, we W IY0, they DH EY0, me M IY0, him HH IH0 M,
us AH0 S, them DH EH0 M, who HH UW1, what W AH1 T, where W EH1 R, when W EH1 N, why W AY1, how HH AW1,
which W IH1 CH, and AE0 N D, or AO0 R, but B AH0 T, if IH0 F, because B IH0 K AO1 Z, so S OW0, as AE0 Z,
than DH AE0 N, then DH EH1 N, there DH EH1 R, here HH IH1 R, of AH0 V, to T UW0, in IH0 N, on AA0 N,
at AE0 T, by B AY0, for F AO0 R, from F R AH0 M, with W IH0 DH, under AH1 N D ER0, over OW1 V ER0,
near N IH1 R, behind B IH0 HH AY1 N D, before B IH0 F AO1 R, after AE1 F T ER0, about AH0 B AW1 T,
into IH1 N T UW0, above AH0 B AH1 V, below B IH0 L OW1, beside B IH0 S AY1 D, through TH R UW1,
between B IH0 T W IY1 N, around ER0 AW1 N D, without W IH0 DH AW1 T, up AH1 P, down D AW1 N, out AW1 T,
off AO1 F, away AH0 W EY1, back B AE1 K, is IH0 Z, am AE0 M, are AA0 R, was W AH0 Z, were W ER0,
be B IY0, been B IH0 N, do D UW0, does D AH0 Z, did D IH0 D, done D AH1 N, has HH AE0 Z, have HH AE0 V,
had HH AE0 D, will W IH0 L, would W UH0 D, can K AE0 N, could K UH0 D, should SH UH0 D, may M EY0,
might M AY0 T, must M AH0 S T, please P L IY1 Z, thank TH AE1 NG K, thanks TH AE1 NG K S,
hello HH AH0 L OW1, hi HH AY1, goodbye G UH2 D B AY1, welcome W EH1 L K AH0 M, sorry S AA1 R IY0,
one W AH1 N, two T UW1, three TH R IY1, four F AO1 R, five F AY1 V, six S IH1 K S, seven S EH1 V AH0 N,
eight EY1 T, nine N AY1 N, ten T EH1 N, zero Z IH1 R OW0, hundred HH AH1 N D R AH0 D,
thousand TH AW1 Z AH0 N D, first F ER1 S T, second S EH1 K AH0 N D, third TH ER1 D, last L AE1 S T,
many M EH1 N IY0, much M AH1 CH, more M AO1 R, most M OW1 S T, few F Y UW1, very V EH1 R IY0,
too T UW1, just JH AH1 S T, only OW1 N L IY0, now N AW1, never N EH1 V ER0, always AO1 L W EY0 Z,
often AO1 F AH0 N, again AH0 G EH1 N, today T AH0 D EY1, tomorrow T AH0 M AA1 R OW0,
yesterday Y EH1 S T ER0 D EY0, tonight T AH0 N AY1 T, soon S UW1 N, later L EY1 T ER0, early ER1 L IY0,
quickly K W IH1 K L IY0, slowly S L OW1 L IY0, loudly L AW1 D L IY0, softly S AO1 F T L IY0,
maybe M EY1 B IY0, really R IH1 L IY0, almost AO1 L M OW0 S T, together T AH0 G EH1 DH ER0,
cat K AE1 T, dog D AO1 G, bird B ER1 D, fish F IH1 SH, horse HH AO1 R S, cow K AW1, sheep SH IY1 P,
mouse M AW1 S, bear B EH1 R, wolf W UH1 L F, fox F AA1 K S, rabbit R AE1 B AH0 T, monkey M AH1 NG K IY0,
man M AE1 N, woman W UH1 M AH0 N, boy B OY1, girl G ER1 L, child CH AY1 L D, baby B EY1 B IY0,
mother M AH1 DH ER0, father F AA1 DH ER0, brother B R AH1 DH ER0, sister S IH1 S T ER0,
friend F R EH1 N D, neighbor N EY1 B ER0, teacher T IY1 CH ER0, doctor D AA1 K T ER0,
farmer F AA1 R M ER0, singer S IH1 NG ER0, pilot P AY1 L AH0 T, baker B EY1 K ER0, king K IH1 NG,
queen K W IY1 N, people P IY1 P AH0 L, person P ER1 S AH0 N, family F AE1 M AH0 L IY0, name N EY1 M,
house HH AW1 S, home HH OW1 M, room R UW1 M, door D AO1 R, window W IH1 N D OW0, table T EY1 B AH0 L,
chair CH EH1 R, bed B EH1 D, kitchen K IH1 CH AH0 N, garden G AA1 R D AH0 N, bridge B R IH1 JH,
street S T R IY1 T, road R OW1 D, city S IH1 T IY0, town T AW1 N, village V IH1 L IH0 JH,
school S K UW1 L, church CH ER1 CH, shop SH AA1 P, market M AA1 R K AH0 T, office AO1 F AH0 S,
river R IH1 V ER0, mountain M AW1 N T AH0 N, valley V AE1 L IY0, forest F AO1 R AH0 S T, tree T R IY1,
flower F L AW1 ER0, leaf L IY1 F, grass G R AE1 S, field F IY1 L D, beach B IY1 CH, ocean OW1 SH AH0 N,
island AY1 L AH0 N D, water W AO1 T ER0, fire F AY1 ER0, stone S T OW1 N, sun S AH1 N, moon M UW1 N,
star S T AA1 R, sky S K AY1, cloud K L AW1 D, rain R EY1 N, snow S N OW1, wind W IH1 N D,
storm S T AO1 R M, morning M AO1 R N IH0 NG, evening IY1 V N IH0 NG, night N AY1 T, day D EY1,
week W IY1 K, month M AH1 N TH, year Y IH1 R, time T AY1 M, summer S AH1 M ER0, winter W IH1 N T ER0,
bread B R EH1 D, butter B AH1 T ER0, cheese CH IY1 Z, apple AE1 P AH0 L, orange AO1 R AH0 N JH,
soup S UW1 P, cake K EY1 K, coffee K AO1 F IY0, tea T IY1, milk M IH1 L K, sugar SH UH1 G ER0,
breakfast B R EH1 K F AH0 S T, dinner D IH1 N ER0, food F UW1 D, fruit F R UW1 T, book B UH1 K,
paper P EY1 P ER0, letter L EH1 T ER0, story S T AO1 R IY0, picture P IH1 K CH ER0, song S AO1 NG,
music M Y UW1 Z IH0 K, voice V OY1 S, word W ER1 D, video V IH1 D IY0 OW0, movie M UW1 V IY0,
computer K AH0 M P Y UW1 T ER0, model M AA1 D AH0 L, machine M AH0 SH IY1 N, phone F OW1 N,
camera K AE1 M R AH0, radio R EY1 D IY0 OW0, car K AA1 R, bus B AH1 S, train T R EY1 N, boat B OW1 T,
ship SH IH1 P, plane P L EY1 N, wheel W IY1 L, box B AA1 K S, bag B AE1 G, basket B AE1 S K AH0 T,
bottle B AA1 T AH0 L, cup K AH1 P, knife N AY1 F, spoon S P UW1 N, hat HH AE1 T, coat K OW1 T,
shoe SH UW1, shirt SH ER1 T, ball B AO1 L, game G EY1 M, toy T OY1, bell B EH1 L, drum D R AH1 M,
piano P IY0 AE1 N OW0, head HH EH1 D, face F EY1 S, eye AY1, mouth M AW1 TH, lip L IH1 P, lips L IH1 P S,
tooth T UW1 TH, teeth T IY1 TH, tongue T AH1 NG, ear IH1 R, nose N OW1 Z, hand HH AE1 N D, foot F UH1 T,
heart HH AA1 R T, money M AH1 N IY0, work W ER1 K, world W ER1 L D, thing TH IH1 NG, place P L EY1 S,
way W EY1, life L AY1 F, love L AH1 V, question K W EH1 S CH AH0 N, answer AE1 N S ER0,
idea AY0 D IY1 AH0, problem P R AA1 B L AH0 M, number N AH1 M B ER0, color K AH1 L ER0,
treasure T R EH1 ZH ER0, vision V IH1 ZH AH0 N, measure M EH1 ZH ER0,
big B IH1 G, small S M AO1 L, little L IH1 T AH0 L, old OW1 L D, young Y AH1 NG, new N UW1, good G UH1 D,
bad B AE1 D, great G R EY1 T, happy HH AE1 P IY0, sad S AE1 D, hot HH AA1 T, cold K OW1 L D, warm W AO1 R M,
fast F AE1 S T, slow S L OW1, quiet K W AY1 AH0 T, loud L AW1 D, soft S AO1 F T, hard HH AA1 R D,
heavy HH EH1 V IY0, light L AY1 T, dark D AA1 R K, bright B R AY1 T, long L AO1 NG, short SH AO1 R T,
tall T AO1 L, round R AW1 N D, red R EH1 D, blue B L UW1, green G R IY1 N, yellow Y EH1 L OW0,
white W AY1 T, black B L AE1 K, brown B R AW1 N, purple P ER1 P AH0 L, golden G OW1 L D AH0 N,
strange S T R EY1 N JH, funny F AH1 N IY0, clever K L EH1 V ER0, brave B R EY1 V, gentle JH EH1 N T AH0 L,
hungry HH AH1 NG G R IY0, thirsty TH ER1 S T IY0, tired T AY1 ER0 D, busy B IH1 Z IY0, empty EH1 M P T IY0,
full F UH1 L, fresh F R EH1 SH, sweet S W IY1 T, beautiful B Y UW1 T AH0 F AH0 L, wooden W UH1 D AH0 N,
favorite F EY1 V R AH0 T, whole HH OW1 L, smooth S M UW1 DH, foolish F UW1 L IH0 SH, perfect P ER1 F IH0 K T,
see S IY1, saw S AO1, look L UH1 K, watch W AA1 CH, hear HH IH1 R, heard HH ER1 D, listen L IH1 S AH0 N,
say S EY1, says S EH1 Z, said S EH1 D, speak S P IY1 K, talk T AO1 K, tell T EH1 L, told T OW1 L D,
ask AE1 S K, call K AO1 L, sing S IH1 NG, read R IY1 D, write R AY1 T, wrote R OW1 T, draw D R AO1,
make M EY1 K, made M EY1 D, build B IH1 L D, built B IH1 L T, bake B EY1 K, cook K UH1 K, eat IY1 T,
drink D R IH1 NG K, buy B AY1, bought B AO1 T, sell S EH1 L, sold S OW1 L D, give G IH1 V, gave G EY1 V,
take T EY1 K, took T UH1 K, bring B R IH1 NG, brought B R AO1 T, carry K AE1 R IY0, hold HH OW1 L D,
keep K IY1 P, kept K EH1 P T, find F AY1 N D, found F AW1 N D, lose L UW1 Z, lost L AO1 S T, put P UH1 T,
move M UW1 V, push P UH1 SH, pull P UH1 L, throw TH R OW1, threw TH R UW1, catch K AE1 CH, caught K AO1 T,
open OW1 P AH0 N, close K L OW1 Z, wash W AA1 SH, clean K L IY1 N, paint P EY1 N T, fix F IH1 K S,
walk W AO1 K, run R AH1 N, ran R AE1 N, jump JH AH1 M P, fly F L AY1, swim S W IH1 M, ride R AY1 D,
drive D R AY1 V, go G OW1, went W EH1 N T, gone G AO1 N, come K AH1 M, came K EY1 M, stop S T AA1 P,
stay S T EY1, wait W EY1 T, sit S IH1 T, stand S T AE1 N D, sleep S L IY1 P, wake W EY1 K, live L IH1 V,
play P L EY1, plays P L EY1 Z, laugh L AE1 F, smile S M AY1 L, cry K R AY1, dance D AE1 N S, help HH EH1 L P,
need N IY1 D, want W AA1 N T, like L AY1 K, think TH IH1 NG K, thought TH AO1 T, know N OW1, knew N UW1,
feel F IY1 L, felt F EH1 L T, remember R IH0 M EH1 M B ER0, forget F ER0 G EH1 T, forgot F ER0 G AA1 T,
believe B IH0 L IY1 V, understand AH2 N D ER0 S T AE1 N D, learn L ER1 N, teach T IY1 CH, show SH OW1,
begin B IH0 G IH1 N, finish F IH1 N IH0 SH, choose CH UW1 Z, follow F AA1 L OW0, visit V IH1 Z AH0 T,
meet M IY1 T, leave L IY1 V, left L EH1 F T, arrive ER0 AY1 V, travel T R AE1 V AH0 L, change CH EY1 N JH,
try T R AY1, use Y UW1 Z, turn T ER1 N, set S EH1 T, get G EH1 T, got G AA1 T, let L EH1 T, sure SH UH1 R,
right R AY1 T, wrong R AO1 NG, same S EY1 M, other AH1 DH ER0, another AH0 N AH1 DH ER0, any EH1 N IY0,
nothing N AH1 TH IH0 NG, something S AH1 M TH IH0 NG, everything EH1 V R IY0 TH IH2 NG,
enough IH0 N AH1 F, demo D EH1 M OW0, sync S IH1 NG K, latent L EY1 T AH0 N T, speech S P IY1 CH, sentence S EH1 N T AH0 N S, language L AE1 NG G W AH0 JH, english IH1 NG G L IH0 SH,
buzz B AH1 Z, zoo Z UW1, jazz JH AE1 Z, judge JH AH1 JH, vase V EY1 S, zebra Z IY1 B R AH0,
i'm AY0 M, you're Y UH0 R, it's IH0 T S, he's HH IY0 Z, she's SH IY0 Z, we're W IH0 R, they're DH EH0 R,
that's DH AE1 T S, don't D OW1 N T, can't K AE1 N T, won't W OW1 N T, isn't IH1 Z AH0 N T,
didn't D IH1 D AH0 N T, doesn't D AH1 Z AH0 N T, i'll AY0 L, you'll Y UW0 L, let's L EH1 T S
`;

/** How a letter or digit is called when it stands alone. */
const CHARACTER_NAMES = `
a EY1, b B IY1, c S IY1, d D IY1, e IY1, f EH1 F, g JH IY1, h EY1 CH, i AY1, j JH EY1, k K EY1, l EH1 L,
m EH1 M, n EH1 N, o OW1, p P IY1, q K Y UW1, r AA1 R, s EH1 S, t T IY1, u Y UW1, v V IY1,
w D AH1 B AH0 L Y UW0, x EH1 K S, y W AY1, z Z IY1, 0 Z IH1 R OW0, 1 W AH1 N, 2 T UW1, 3 TH R IY1,
4 F AO1 R, 5 F AY1 V, 6 S IH1 K S, 7 S EH1 V AH0 N, 8 EY1 T, 9 N AY1 N
`;

function parseEntries(entries: string): ReadonlyMap<string, readonly WordSound[]> {
  const words = new Map<string, readonly WordSound[]>();
  for (const entry of entries.split(",")) {
    const [word = "", ...symbols] = entry.trim().split(/\s+/);
    words.set(word, symbols.map(parseSound));
  }
  return words;
}

/** @param symbol such as `AH0` or `K` */
export function parseSound(symbol: string): WordSound {
  const stress = /[012]$/.test(symbol) ? Number(symbol.at(-1)) : 0;
  return { symbol: symbol.replace(/[012]$/, ""), stress: stress as WordSound["stress"] };
}

let lexicon: ReadonlyMap<string, readonly WordSound[]> | undefined;
let characterNames: ReadonlyMap<string, readonly WordSound[]> | undefined;

/** The sounds of a word in lower case, if the lexicon has it. */
export function findWord(word: string): readonly WordSound[] | undefined {
  lexicon ??= parseEntries(ENTRIES);
  return lexicon.get(word);
}

/** The sounds of a letter's or digit's name. */
export function nameOfCharacter(character: string): readonly WordSound[] {
  characterNames ??= parseEntries(CHARACTER_NAMES);
  return characterNames.get(character) ?? [];
}

/** Words in the lexicon. */
export function lexiconWords(): readonly string[] {
  lexicon ??= parseEntries(ENTRIES);
  return [...lexicon.keys()];
}
