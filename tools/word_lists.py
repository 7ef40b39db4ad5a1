"""Hand-written lists of opposites and synonyms for tools/word_table.py.

They may repeat pairs that WordNet has: that does no harm.
"""

from __future__ import annotations

# Any two words of a line ask for different things.
OPPOSITES = """
open close
add remove subtract multiply divide
insert remove
add delete
create delete
install uninstall
upload download
import export
encrypt decrypt
compress extract decompress
zip unzip
lock unlock
mute unmute
block unblock
follow unfollow
subscribe unsubscribe
enable disable
activate deactivate
connect disconnect
login logout register
join leave quit
enter exit leave
start stop finish end
begin end finish
accept decline reject refuse
approve reject
allow forbid prevent block
hire fire
borrow lend
buy sell rent
purchase sell return
deposit withdraw transfer
earn spend save
pay receive
send receive
give take receive
push pull
win lose draw
gain lose
increase decrease reduce lower
raise lower
grow shrink
expand shrink
speed slow
freeze thaw melt
boil fry bake grill steam roast
heat cool
cook eat
peel wash cut slice
plant harvest
fill empty
charge discharge
read write
teach learn study
ask answer
speak listen
show hide
find lose
remember forget
love hate
like dislike
attract repel
break fix repair
build destroy
make break
tie untie
wear remove
dress undress
pack unpack
sleep wake
stand sit
arrive leave depart
land takeoff
marry divorce
save delete
copy move delete rename
cut copy paste
merge split
commit revert
encode decode
serialize deserialize
push pop
sort shuffle reverse
minimize maximize
zoom scroll
turn stop
attack defend
catch throw
kick throw
hit miss
pass fail
prove disprove
agree disagree
trust distrust
obey disobey
appear disappear
include exclude
attach detach
mount unmount
publish unpublish
archive delete
cancel confirm renew extend
book cancel
postpone cancel
draw paint ride
drive ride walk fly
clean dirty
repair replace clean
sharpen blunt
strengthen weaken
tighten loosen
inhale exhale
dry wet
hot cold warm
cheap expensive
fast slow
early late
easy hard difficult
high low
long short
big small
large small
old new young
left right
top bottom
front back
north south east west
male female
man woman
boy girl
husband wife
brother sister
mother father
son daughter
employer employee
buyer seller
landlord tenant
teacher student
doctor patient
parent child
guest host
best worst
better worse
most least
more less fewer
maximum minimum
before after
always never
morning afternoon evening night
breakfast lunch dinner
monday tuesday wednesday thursday friday saturday sunday
january february march april may june july august september october november december
spring summer autumn winter
debit credit
income expense
profit loss
asset liability
public private
legal illegal
safe dangerous unsafe
healthy unhealthy
possible impossible
online offline
input output
import require
client server
frontend backend
mandatory optional voluntary
free paid
domestic international
manual automatic
positive negative
strength weakness
advantage disadvantage
pros cons
benefits risks
cause effect cure
symptom cause treatment
row column
horizontal vertical
width height depth
red blue green yellow black white brown orange pink purple grey
cat dog horse rabbit bird fish parrot hamster
beef pork chicken lamb fish
milk water juice wine beer coffee tea
rice pasta bread potato
apple banana orange grape strawberry
tomato potato onion carrot
windows linux ubuntu macos mac
android iphone ios
chrome firefox safari edge
java python javascript ruby php rust perl swift
excel word powerpoint outlook
facebook twitter instagram snapchat pinterest linkedin tiktok reddit whatsapp telegram
google bing yahoo
gmail outlook yahoo
visa mastercard paypal amex
amazon ebay walmart alibaba
netflix spotify hulu
samsung nokia sony apple lg huawei xiaomi motorola
dell hp lenovo acer asus
mysql postgresql mongodb sqlite oracle redis
football basketball tennis cricket rugby baseball hockey golf
piano guitar violin drum flute
bus train plane car taxi bicycle ship
gold silver copper bronze platinum
aspirin ibuprofen paracetamol
diabetes cancer malaria measles flu
""".strip().splitlines()

# Any two words of a line mean the same in most questions.
SYNONYMS = """
photo picture image photograph pic
delete remove erase
buy purchase
fix repair mend
phone mobile smartphone telephone
laptop notebook
doctor physician
lawyer attorney
flat apartment
car automobile vehicle
film movie
holiday vacation
trip journey travel
job work employment
salary wage pay earnings
money cash
error mistake bug
begin start commence
finish complete end
stop quit cease
get obtain receive
reset restore
change modify alter edit
make create build
show display
hide conceal
help assist
choose select pick
install setup
cancel terminate
deactivate disable
activate enable
join enter
order purchase
reduce decrease lower cut
increase raise improve boost
improve enhance better
learn study
teach explain
talk speak chat
say tell
big large huge
small little tiny
fast quick rapid
quickly fast rapidly
cheap inexpensive affordable
hard difficult tough
easy simple
happy glad
sad unhappy
sick ill unwell
kid child
kids children
father dad
mother mom
wife spouse
husband spouse
woman lady
man guy
boss manager
firm company business
shop store
package parcel
shipment delivery
refund reimbursement
cost price
bill invoice
house home
trousers pants
couch sofa
garbage trash rubbish
gas petrol
exam test
university college
homework assignment
answer reply response
question query
problem issue
method way technique
reason cause
purpose goal aim
benefit advantage
drawback disadvantage
symptom sign
medicine drug medication
pain ache
weight mass
speed velocity
country nation
city town
population inhabitants
famous popular
important significant
good great nice
bad poor awful
best top greatest
safe secure
allowed permitted legal
need require
want wish
try attempt
keep retain
prevent avoid
happen occur
differ vary
difference distinction
compare contrast
meaning definition
website site
internet web
program software application app
folder directory
bike bicycle
plane airplane aircraft
""".strip().splitlines()

# Verbs and others that people use for each other in some questions, and WordNet does not join: one
# in place of the other contradicts nothing. word_relations.py reads them, not pair_scorer.py.
INTERCHANGEABLE = """
add insert append include put enter
contact reach call phone write
send submit mail post
see view check show read
open access start launch run
update upgrade refresh renew
edit change modify adjust update correct
set change configure adjust reset
reset restore recover change
close delete remove terminate deactivate
stop avoid prevent overcome fight
beat overcome
measure calculate compute determine
build develop create make design write
learn master study understand
keep maintain preserve retain
use apply utilize
improve increase enhance boost raise strengthen
handle manage deal cope
treat cure heal
travel go get
fix solve resolve repair
find locate search
move transfer shift relocate
pay settle
cook prepare make
explain describe define
give donate
check verify confirm test
join attend enter
return exchange
track follow trace
receive collect
ship deliver send
live stay reside
completely fully entirely totally
equipment tools gear
right correct
wrong bad incorrect
site website page
buy get order
newyork nyc
stock share
price rate cost fee
order shipment parcel package delivery shipping item
product item article
method option way means
policy terms
app website site program software
teacher professor faculty lecturer
cancel end stop terminate quit
create register open make
change upgrade switch
install download get
stop disable silence mute
boil cook
fry cook
bake cook
merge combine join unite
observe see watch
build raise
enjoy like love
condition situation state
importance relevance significance
wrong bad weird
interesting funny hilarious cool
effective good great powerful
use redeem apply
promo coupon voucher discount code
speak talk chat
human agent person
phone mobile
hours times
plan subscription tariff
bill invoice charge
fee charge cost
profile account
picture photo avatar image
""".strip().splitlines()
# Any two words of a line ask for different things.
APART = """
hourly daily weekly monthly quarterly yearly hour day week month year
cash card cheque invoice paypal
men women
adults children
insert delete remove erase
add erase
""".strip().splitlines()
