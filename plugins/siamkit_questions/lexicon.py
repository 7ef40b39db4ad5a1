"""English words that turn a question round though they hardly move its vector. Plain data.

Written by hand. What a dictionary knows (synonyms, antonyms, kinds of things) is in the word table
that comes with the weights: see siamkit_questions.words.
"""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


# Words that carry the frame of a question, not its subject.
STOP = frozenset(
    _words("""a an the this that these those some any i me my mine we us our you your yours he
    him his she her it its they them their one ones someone somebody anyone anybody everyone people
    person is am are was were be been being do does did doing done have has had having will
    would shall should can could may might must ought of for at by as and or but so than
    then there here too also just very really please tell know way ways possible what which
    who whom whose when where why how if whether about im ive id ill youre youve youll
    theyre theyve weve thats whats hows wheres whos heres lets let s t m re ve d ll actually
    exactly currently ever own such going able thing things something anything kind sort
    other another""")
)

# The bit of each word that tells what is asked for; a question has the bits of all its words.
FRAMES = {
    word: bit
    for bit, words in enumerate(
        (
            "how", "what which", "why", "when", "where", "who whom whose", "many much",
            "can could possible able", "should ought must",
            "will would shall going", "is are was were", "do does did", "if whether",
            "best good better top easiest", "difference differ compare vs versus",
            "i me my we our us im", "you your", "he she they his her their",
            "long old far often fast",
            "mean meaning definition define",
        )
    )
    for word in words.split()
}  # fmt: skip

# "no" alone is not here: "is there no way" and "is there any way" ask the same.
NEGATIONS = frozenset(
    _words("""not never without cannot neither nor nothing nobody none nowhere unable no non except
    cant dont doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt couldnt hasnt
    havent hadnt mustnt neednt aint""")
)

# Words of place, time and direction: 'from A to B' is not 'from B to A'.
DIRECTIONS = frozenset(
    _words("""to from into onto in on off out up down over under above below inside outside before
    after since until till with against between through via per during within back""")
)

SMALL = {
    word: value
    for value, word in enumerate(
        _words("""zero one two three four five six seven eight nine ten eleven twelve thirteen
    fourteen fifteen sixteen seventeen eighteen nineteen""")
    )
}
TENS = {
    word: 10 * value
    for value, word in enumerate(
        _words("""twenty thirty forty fifty sixty seventy eighty ninety"""), start=2
    )
}
SCALES = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "lakh": 1e5, "lakhs": 1e5, "lac": 1e5,
    "million": 1e6, "millions": 1e6, "mn": 1e6,
    "crore": 1e7, "crores": 1e7, "billion": 1e9, "bn": 1e9,
    "trillion": 1e12,
}  # fmt: skip
OTHER_NUMBERS = {"half": 0.5, "quarter": 0.25, "dozen": 12.0, "twice": 2.0, "thrice": 3.0}
ORDINALS = {
    word: float(value)
    for value, word in enumerate(
        _words("""first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
    thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""),
        start=1,
    )
}

# Each line is one unit in all of its spellings; the first stands for all.
UNITS = {
    word: names.split()[0]
    for names in """kilogram kg kgs kilo kilos kilograms kilogramme kilogrammes
gram grams gm gms gramme grammes
milligram mg milligrams
microgram mcg micrograms
tonne tonnes ton tons
pound lb lbs pounds
ounce oz ounces
stone stones
kilometre km kms kilometer kilometers kilometres
metre meter meters metres mtr
centimetre cm cms centimeter centimeters centimetres
millimetre mm millimeter millimeters millimetres
mile miles mi
yard yards yd
foot feet ft
inch inches
litre liter litres liters ltr
millilitre ml millilitres milliliter milliliters
gallon gallons gal
pint pints
cup cups
tablespoon tablespoons tbsp
teaspoon teaspoons tsp
celsius centigrade °c
fahrenheit °f
kelvin
second seconds sec secs
millisecond milliseconds ms
minute minutes min mins
hour hours hr hrs
day days daily
week weeks weekly fortnight
month months monthly
year years yearly annual annually yr yrs
decade decades
century centuries
byte bytes
kilobyte kb kilobytes
megabyte mb megabytes
gigabyte gb gigabytes gigs
terabyte tb terabytes
kilobit kbit kbps kbits
megabit mbit mbps mbits megabits
gigabit gbps gigabits
pixel pixels px
hertz hz
megahertz mhz
gigahertz ghz
watt watts
kilowatt kw kilowatts
kwh
volt volts
ampere amps amp amperes
calorie calories kcal
joule joules kj kilojoules
acre acres
hectare hectares
kmh kph
mph
knot knots
degree degrees
radian radians
dollar dollars usd $ bucks
euro euros eur €
sterling gbp £ quid
rupee rupees rs inr ₹
yen jpy ¥
yuan rmb
franc francs chf
cent cents
pence penny pennies
percent % percentage""".splitlines()
    for word in names.split()
}

# One thing, many spellings: the phrase is replaced by one word before words are looked up.
PHRASES: dict[tuple[str, ...], str] = {
    ("united", "states"): "usa", ("u", "s", "a"): "usa", ("u", "s"): "usa",
    ("united", "kingdom"): "uk", ("u", "k"): "uk", ("great", "britain"): "uk",
    ("log", "in"): "login", ("log", "on"): "login", ("sign", "in"): "login",
    ("log", "into"): "login", ("sign", "into"): "login", ("logging", "in"): "login",
    ("logged", "in"): "login", ("signing", "in"): "login",
    ("log", "out"): "logout", ("sign", "out"): "logout", ("log", "off"): "logout",
    ("sign", "up"): "register", ("signing", "up"): "register", ("set", "up"): "setup",
    ("e", "mail"): "email", ("wi", "fi"): "wifi", ("web", "site"): "website",
    ("new", "york"): "newyork", ("cell", "phone"): "mobile", ("mobile", "phone"): "mobile",
    ("mobile", "phones"): "mobile", ("cell", "phones"): "mobile", ("get", "rid"): "remove",
    ("getting", "rid"): "remove", ("give", "up"): "quit", ("giving", "up"): "quit",
    ("rid", "of"): "remove", ("credit", "card"): "creditcard", ("debit", "card"): "debitcard",
    ("lose", "weight"): "weightloss", ("losing", "weight"): "weightloss",
    ("reduce", "weight"): "weightloss", ("weight", "loss"): "weightloss",
    ("gain", "weight"): "weightgain", ("put", "on", "weight"): "weightgain",
    ("weight", "gain"): "weightgain", ("second", "hand"): "secondhand",
    ("turn", "on"): "enable", ("switch", "on"): "enable", ("turning", "on"): "enable",
    ("turn", "off"): "disable", ("switch", "off"): "disable", ("turning", "off"): "disable",
    ("take", "off"): "takeoff", ("pick", "up"): "pickup", ("back", "up"): "backup",
    ("per", "cent"): "percent",
}  # fmt: skip
ALIASES = {
    "us": "us", "america": "usa", "britain": "uk", "pic": "picture", "pics": "pictures",
    "tv": "television", "info": "information", "app": "application", "apps": "applications",
    "bday": "birthday", "ai": "artificialintelligence", "maths": "mathematics",
    "math": "mathematics", "colour": "color", "favourite": "favorite", "programme": "program",
    "mum": "mother", "mom": "mother", "dad": "father", "kid": "child", "kids": "children",
    "bike": "bicycle", "fridge": "refrigerator", "ad": "advertisement", "ads": "advertisements",
    "gf": "girlfriend", "bf": "boyfriend", "govt": "government", "uni": "university",
    "vs": "versus", "diff": "difference", "docs": "documents", "doc": "document",
    "cellphone": "mobile", "smartphone": "mobile", "smartphones": "mobile", "signin": "login",
    "mobiles": "mobile", "signup": "register", "deactivate": "disable", "activate": "enable",
    "yt": "youtube", "fb": "facebook", "ig": "instagram", "whats-app": "whatsapp",
    "behaviour": "behavior", "organise": "organize", "cheque": "check", "tyre": "tire",
    "centre": "center", "grey": "gray", "defence": "defense", "licence": "license",
    "travelling": "traveling", "jewellery": "jewelry", "aeroplane": "airplane",
    "repo": "repository", "config": "configuration", "auth": "authentication",
    "pwd": "password", "db": "database", "temp": "temperature", "approx": "approximately",
}  # fmt: skip
