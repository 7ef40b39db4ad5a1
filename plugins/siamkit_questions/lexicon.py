"""English words that change a question's meaning but hardly its vector. Hand-written data.

Synonyms, antonyms and kinds of things are in the word table that comes with the weights: see
siamkit_questions.words.
"""

from __future__ import annotations


def _table(text: str) -> list[tuple[str, str]]:
    """Parse 'key: word, word; key: word' into (word, key) pairs, in order."""
    entries = [entry.split(":") for entry in text.split(";")]
    return [(word.strip(), key.strip()) for key, words in entries for word in words.split(",")]


# Words that carry the frame of a question, not its subject.
_STOP = """a an the this that these those some any i me my mine we us our you your yours he
    him his she her it its they them their one ones someone somebody anyone anybody everyone people
    person is am are was were be been being do does did doing done have has had having will
    would shall should can could may might must ought of for at by as and or but so than
    then there here too also just very really please tell know way ways possible what which
    who whom whose when where why how if whether about im ive id ill youre youve youll
    theyre theyve weve thats whats hows wheres whos heres lets let s t m re ve d ll actually
    exactly currently ever own such going able thing things something anything kind sort
    other another"""
STOP = frozenset(_STOP.split())

# The bit of each word that tells what is asked for; a question has the bits of all its words.
_FRAME_WORDS = """how / what which / why / when / where / who whom whose / many much /
    can could possible able / should ought must / will would shall going / is are was were /
    do does did / if whether / best good better top easiest /
    difference differ compare vs versus / i me my we our us im / you your /
    he she they his her their / long old far often fast / mean meaning definition define"""
FRAMES = {word: bit for bit, words in enumerate(_FRAME_WORDS.split("/")) for word in words.split()}

# "no" alone is left out: "is there no way" and "is there any way" ask the same.
_NEGATIONS = """not never without cannot neither nor nothing nobody none nowhere unable no non
    except cant dont doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt couldnt hasnt
    havent hadnt mustnt neednt aint"""
NEGATIONS = frozenset(_NEGATIONS.split())

# Words of place, time and direction: 'from A to B' is not 'from B to A'.
_DIRECTIONS = """to from into onto in on off out up down over under above below inside outside
    before after since until till with against between through via per during within back"""
DIRECTIONS = frozenset(_DIRECTIONS.split())

_SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen"""
SMALL = {word: value for value, word in enumerate(_SMALL.split())}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
TENS = {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
_SCALE_WORDS = """1e2: hundred; 1e3: thousand, k; 1e5: lakh, lakhs, lac; 1e6: million, millions, mn;
    1e7: crore, crores; 1e9: billion, bn; 1e12: trillion"""
SCALES = {word: float(value) for word, value in _table(_SCALE_WORDS)}
OTHER_NUMBERS = {"half": 0.5, "quarter": 0.25, "dozen": 12.0, "twice": 2.0, "thrice": 3.0}
_ORDINALS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
    thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""
ORDINALS = {word: float(value) for value, word in enumerate(_ORDINALS.split(), start=1)}

# The spellings of each unit; the first stands for all of them.
_UNITS = """kilogram kg kgs kilo kilos kilograms kilogramme kilogrammes; gram grams gm gms gramme
    grammes; milligram mg milligrams; microgram mcg micrograms; tonne tonnes ton tons; pound lb lbs
    pounds; ounce oz ounces; stone stones; kilometre km kms kilometer kilometers kilometres; metre
    meter meters metres mtr; centimetre cm cms centimeter centimeters centimetres; millimetre mm
    millimeter millimeters millimetres; mile miles mi; yard yards yd; foot feet ft; inch inches;
    litre liter litres liters ltr; millilitre ml millilitres milliliter milliliters; gallon gallons
    gal; pint pints; cup cups; tablespoon tablespoons tbsp; teaspoon teaspoons tsp; celsius
    centigrade °c; fahrenheit °f; kelvin; second seconds sec secs; millisecond milliseconds ms;
    minute minutes min mins; hour hours hr hrs; day days daily; week weeks weekly fortnight; month
    months monthly; year years yearly annual annually yr yrs; decade decades; century centuries;
    byte bytes; kilobyte kb kilobytes; megabyte mb megabytes; gigabyte gb gigabytes gigs; terabyte
    tb terabytes; kilobit kbit kbps kbits; megabit mbit mbps mbits megabits; gigabit gbps gigabits;
    pixel pixels px; hertz hz; megahertz mhz; gigahertz ghz; watt watts; kilowatt kw kilowatts; kwh;
    volt volts; ampere amps amp amperes; calorie calories kcal; joule joules kj kilojoules; acre
    acres; hectare hectares; kmh kph; mph; knot knots; degree degrees; radian radians; dollar
    dollars usd $ bucks; euro euros eur €; sterling gbp £ quid; rupee rupees rs inr ₹; yen jpy ¥;
    yuan rmb; franc francs chf; cent cents; pence penny pennies; percent % percentage"""
UNITS = {word: names.split()[0] for names in _UNITS.split(";") for word in names.split()}

# One thing, many spellings: before words are looked up, a phrase is replaced by one word, and an
# alias by another.
_PHRASES = """usa: united states, u s a, u s; uk: united kingdom, u k, great britain;
    login: log in, log on, sign in, log into, sign into, logging in, logged in, signing in;
    logout: log out, sign out, log off; register: sign up, signing up; setup: set up;
    email: e mail; wifi: wi fi; website: web site; newyork: new york; mobile: cell phone,
    mobile phone, mobile phones, cell phones; remove: get rid, getting rid, rid of; quit: give up,
    giving up; creditcard: credit card; debitcard: debit card; weightloss: lose weight,
    losing weight, reduce weight, weight loss; weightgain: gain weight, put on weight,
    weight gain; secondhand: second hand; enable: turn on, switch on, turning on;
    disable: turn off, switch off, turning off; takeoff: take off; pickup: pick up;
    backup: back up; percent: per cent"""
PHRASES = {tuple(phrase.split()): word for phrase, word in _table(_PHRASES)}
_ALIASES = """us: us; usa: america; uk: britain; picture: pic; pictures: pics; television: tv;
    information: info; application: app; applications: apps; birthday: bday;
    artificialintelligence: ai; mathematics: maths, math; color: colour; favorite: favourite;
    program: programme; mother: mum, mom; father: dad; child: kid; children: kids; bicycle: bike;
    refrigerator: fridge; advertisement: ad; advertisements: ads; girlfriend: gf; boyfriend: bf;
    government: govt; university: uni; versus: vs; difference: diff; documents: docs;
    document: doc; mobile: cellphone, smartphone, smartphones, mobiles; login: signin;
    register: signup; disable: deactivate; enable: activate; youtube: yt; facebook: fb;
    instagram: ig; whatsapp: whats-app; behavior: behaviour; organize: organise; check: cheque;
    tire: tyre; center: centre; gray: grey; defense: defence; license: licence;
    traveling: travelling; jewelry: jewellery; airplane: aeroplane; repository: repo;
    configuration: config; authentication: auth; password: pwd; database: db; temperature: temp;
    approximately: approx"""
ALIASES = dict(_table(_ALIASES))
