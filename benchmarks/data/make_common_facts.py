"""Writes rag/conflicts/data/facts.jsonl: facts of common knowledge, by which ``concord models calibrate`` learns what a
model knows.

Easy and hard ones together: a calibration needs facts that a small model does not know. Each template lists its
subjects with their answer; ``/`` divides accepted forms of an answer.
"""

import json
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent.parent / "rag" / "conflicts" / "data" / "facts.jsonl"
TEMPLATES = {
    "What is the capital of {}?": """
        France: Paris; Italy: Rome; Spain: Madrid; Japan: Tokyo; Russia: Moscow; Egypt: Cairo; Greece: Athens
        China: Beijing; Portugal: Lisbon; Norway: Oslo; Poland: Warsaw; Cuba: Havana; Peru: Lima; Kenya: Nairobi
        Chad: N'Djamena; Bhutan: Thimphu; Mongolia: Ulaanbaatar/Ulan Bator; Slovenia: Ljubljana
        Paraguay: Asuncion
        Burkina Faso: Ouagadougou; Suriname: Paramaribo; Eritrea: Asmara; Laos: Vientiane; Latvia: Riga
        Moldova: Chisinau; Malta: Valletta; Fiji: Suva; Oman: Muscat""",
    "Which city is the capital of the state of {}?": """
        Texas: Austin; California: Sacramento; Georgia: Atlanta; Vermont: Montpelier; Nevada: Carson City
        Oregon: Salem; Ohio: Columbus; Alaska: Juneau; Kentucky: Frankfort; Delaware: Dover; Maine: Augusta""",
    "Who wrote {}?": """
        Romeo and Juliet: Shakespeare; Pride and Prejudice: Austen; Oliver Twist: Dickens; the Odyssey: Homer
        Moby-Dick: Melville; War and Peace: Tolstoy; Don Quixote: Cervantes; Brave New World: Huxley
        Animal Farm: Orwell; The Old Man and the Sea: Hemingway; Crime and Punishment: Dostoevsky/Dostoyevsky
        To Kill a Mockingbird: Harper Lee; The Hobbit: Tolkien; Wuthering Heights: Bronte/Brontë
        Dracula: Stoker
        Treasure Island: Stevenson; The Trial: Kafka; Things Fall Apart: Achebe; The Stranger: Camus
        Middlemarch: Eliot; Waiting for Godot: Beckett; A Doll's House: Ibsen; Buddenbrooks: Mann
        The Leopard: Lampedusa; Slaughterhouse-Five: Vonnegut; The Wealth of Nations: Smith; Utopia: More""",
    "Who painted {}?": """
        the Mona Lisa: Leonardo/da Vinci; Guernica: Picasso; The Starry Night: Gogh; The Scream: Munch
        The Night Watch: Rembrandt; Girl with a Pearl Earring: Vermeer; The Birth of Venus: Botticelli
        American Gothic: Grant Wood; The Persistence of Memory: Dali/Dalí; Nighthawks: Hopper; The Kiss: Klimt
        Liberty Leading the People: Delacroix; The Hay Wain: Constable""",
    "Who composed {}?": """
        The Four Seasons: Vivaldi; The Magic Flute: Mozart; Swan Lake: Tchaikovsky
        the Moonlight Sonata: Beethoven
        Messiah: Handel; The Planets: Holst; Bolero: Ravel; Carmen: Bizet; Aida: Verdi; Peer Gynt: Grieg
        Rhapsody in Blue: Gershwin; The Rite of Spring: Stravinsky; Finlandia: Sibelius; La Mer: Debussy""",
    "who played {} ?": """
        jack dawson in titanic: DiCaprio; forrest gump in forrest gump: Hanks
        harry potter in the films: Radcliffe
        the terminator in the first terminator film: Schwarzenegger; rocky balboa in rocky: Stallone
        hannibal lecter in the silence of the lambs: Hopkins; the joker in the dark knight: Ledger
        vito corleone in the godfather: Brando; indiana jones in raiders of the lost ark: Ford
        rick blaine in casablanca: Bogart; dorothy in the wizard of oz: Garland; ellen ripley in alien: Weaver
        maria in the sound of music: Andrews; atticus finch in to kill a mockingbird: Peck
        norman bates in psycho: Perkins; scarlett o'hara in gone with the wind: Leigh""",
    "who directed the film {} ?": """
        jaws: Spielberg; psycho: Hitchcock; titanic: Cameron; pulp fiction: Tarantino; star wars: Lucas
        the godfather: Coppola; citizen kane: Welles; 2001: a space odyssey: Kubrick; taxi driver: Scorsese
        alien: Ridley Scott; seven samurai: Kurosawa; annie hall: Allen; metropolis: Lang; vertigo: Hitchcock
        lawrence of arabia: Lean; blue velvet: Lynch; unforgiven: Eastwood""",
    "who sang {} ?": """
        thriller: Jackson; imagine: Lennon; like a virgin: Madonna; hello: Adele/Richie; purple rain: Prince
        respect: Aretha/Franklin; bohemian rhapsody: Queen; no woman no cry: Marley; rolling in the deep: Adele
        space oddity: Bowie; ring of fire: Cash; born to run: Springsteen; jolene: Parton; waterloo: ABBA
        strange fruit: Holiday; heart of glass: Blondie; great balls of fire: Lewis; piano man: Joel""",
    "Who {}?": """
        discovered penicillin: Fleming; invented the telephone: Bell
        developed the theory of relativity: Einstein
        proposed the theory of evolution by natural selection: Darwin/Wallace; discovered radium: Curie
        was the first person to walk on the Moon: Armstrong; was the first person in space: Gagarin
        was the first president of the United States: Washington
        invented the printing press in Europe: Gutenberg
        was the first woman to win a Nobel Prize: Curie; discovered the circulation of the blood: Harvey
        invented dynamite: Nobel; formulated the laws of planetary motion: Kepler
        invented the World Wide Web: Berners
        discovered oxygen besides Carl Scheele: Priestley; founded Microsoft with Paul Allen: Gates
        created the periodic table of the elements: Mendeleev; discovered insulin with Charles Best: Banting
        was the first emperor of Rome: Augustus/Octavian
        led the Soviet Union during World War II: Stalin; was the wartime prime minister of Britain: Churchill
        freed the slaves with the Emancipation Proclamation: Lincoln; founded the Mongol Empire: Genghis
        was the first chancellor of the German Empire: Bismarck; discovered the electron: Thomson
        discovered the planet Uranus: Herschel; designed St Paul's Cathedral in London: Wren
        was the first to reach the South Pole: Amundsen; wrote the opera Tosca: Puccini
        was the second president of the United States: Adams; discovered X-rays: Röntgen/Roentgen
        was the first woman prime minister of the United Kingdom: Thatcher; invented the safety razor: Gillette
        climbed Mount Everest first with Tenzing Norgay: Hillary; designed the Analytical Engine: Babbage""",
    "What is the chemical symbol for {}?": """
        gold: Au; silver: Ag; iron: Fe; oxygen: O; sodium: Na; hydrogen: H; helium: He; lead: Pb; tin: Sn
        potassium: K; mercury: Hg; tungsten: W; copper: Cu; antimony: Sb; zinc: Zn; neon: Ne""",
    "What is the atomic number of {}?": """
        hydrogen: 1/one; carbon: 6/six; oxygen: 8/eight; iron: 26; gold: 79; silver: 47; uranium: 92
        neon: 10/ten
        lead: 82; calcium: 20; helium: 2/two; copper: 29""",
    "In which year {}?": """
        did World War II end: 1945; did World War I begin: 1914; did the Titanic sink: 1912
        did man land on the Moon: 1969
        did the Berlin Wall fall: 1989; did the French Revolution begin: 1789; did Columbus reach America: 1492
        was the Declaration of Independence signed: 1776; was the Battle of Hastings: 1066
        did Queen Victoria die: 1901
        was the Magna Carta sealed: 1215; did the Great Fire of London happen: 1666
        did the Chernobyl disaster happen: 1986
        was John F. Kennedy shot: 1963; did India become independent: 1947; was the United Nations founded: 1945
        was the Battle of Waterloo: 1815; did the Russian Revolution take place: 1917
        did Constantinople fall: 1453
        did the American Civil War begin: 1861; did the Suez Canal open: 1869
        was the euro put into circulation: 2002
        was the Peace of Westphalia signed: 1648; did the Spanish Armada sail: 1588
        was Martin Luther King shot: 1968
        did Hong Kong return to China: 1997; did Japan attack Pearl Harbor: 1941
        was the Eiffel Tower completed: 1889""",
    "when was {} born ?": """
        abraham lincoln: 1809; albert einstein: 1879; william shakespeare: 1564; napoleon bonaparte: 1769
        martin luther king jr: 1929; wolfgang amadeus mozart: 1756; isaac newton: 1642/1643
        charles darwin: 1809
        mahatma gandhi: 1869; winston churchill: 1874; elvis presley: 1935; marie curie: 1867
        galileo galilei: 1564""",
    "What is the currency of {}?": """
        Japan: yen; the United Kingdom: pound; the United States: dollar; Russia: ruble/rouble; India: rupee
        China: yuan/renminbi
        Mexico: peso; Switzerland: franc; Sweden: krona; Poland: zloty/złoty; Thailand: baht; Israel: shekel
        Hungary: forint; Vietnam: dong; Turkey: lira; South Africa: rand; Peru: sol; Nigeria: naira
        Georgia: lari""",
    "On which continent is {}?": """
        Brazil: South America; Egypt: Africa; Germany: Europe; Japan: Asia; Canada: North America; Kenya: Africa
        Laos: Asia; Suriname: South America; Honduras: North America/Central America; Albania: Europe""",
    "What language is mainly spoken in {}?": """
        Brazil: Portuguese; Mexico: Spanish; Austria: German; Egypt: Arabic; Iran: Persian/Farsi; Israel: Hebrew
        Quebec: French; Angola: Portuguese; Suriname: Dutch; Ethiopia: Amharic; Haiti: Creole/French""",
    "Where is {}?": """
        the Eiffel Tower: Paris/France; the Colosseum: Rome/Italy; the Taj Mahal: Agra/India
        Big Ben: London/England
        the Great Wall: China; Machu Picchu: Peru; the Kremlin: Moscow/Russia; the Alhambra: Granada/Spain
        Petra: Jordan
        Angkor Wat: Cambodia; the Brandenburg Gate: Berlin/Germany; the Prado Museum: Madrid/Spain
        the Louvre: Paris/France; the Rijksmuseum: Amsterdam/Netherlands; the Blue Mosque: Istanbul/Turkey""",
    "What is the {}?": """
        largest planet in the solar system: Jupiter; smallest planet in the solar system: Mercury
        largest ocean: Pacific
        longest river in South America: Amazon; highest mountain in the world: Everest
        largest desert of Africa: Sahara
        highest mountain in Africa: Kilimanjaro; largest country by area: Russia
        smallest country in the world: Vatican
        hardest natural substance: diamond; closest star to the Earth: Sun; largest mammal: whale
        fastest land animal: cheetah
        largest organ of the human body: skin; square root of 144: 12/twelve
        longest bone of the human body: femur/thigh
        main gas in the air: nitrogen; freezing point of water in degrees Celsius: 0/zero
        deepest lake in the world: Baikal
        highest mountain in North America: Denali/McKinley; largest island in the world: Greenland
        powerhouse of the cell: mitochondrion/mitochondria; second largest ocean: Atlantic
        largest lake by area: Caspian
        highest mountain in South America: Aconcagua; deepest trench in the oceans: Mariana
        tallest animal: giraffe
        process by which plants make food from light: photosynthesis; most abundant gas in the Sun: hydrogen
        study of fossils called: paleontology/palaeontology; largest moon of Saturn: Titan
        longest river in Europe: Volga""",
    "How many {}?": """
        days are in a week: 7/seven; months are in a year: 12/twelve; legs does a spider have: 8/eight
        states has the USA: 50/fifty
        continents are there: 7/seven; sides does a hexagon have: 6/six
        players has a football team on the field: 11/eleven
        minutes are in an hour: 60/sixty; planets are in the solar system: 8/eight; keys does a piano have: 88
        bones has an adult human: 206; strings does a violin have: 4/four; hearts does an octopus have: 3/three
        symphonies did Beethoven complete: 9/nine; squares are on a chessboard: 64; teeth has an adult human: 32
        chromosomes do humans have: 46; cards are in a standard deck: 52; moons does Mars have: 2/two
        feet are in a mile: 5280/5,280; books has the New Testament: 27; wives had Henry VIII: 6/six
        lines has a sonnet: 14""",
    "who won {} ?": """
        the football world cup in 1998: France; the football world cup in 1966: England
        the us election of 2008: Obama
        the football world cup in 2010: Spain; the american civil war: Union/North
        the us election of 1860: Lincoln
        the battle of waterloo: Wellington/Coalition; the football world cup in 1930: Uruguay
        the us election of 1980: Reagan
        the super bowl in 1967: Packers/Green Bay; the tour de france in 1995: Indurain
        the men 's wimbledon final in 2003: Federer""",
    "What is the opposite of {}?": """
        hot: cold; big: small/little; day: night; black: white; rich: poor; north: south; ancient: modern
        empty: full""",
    "Which country is famous for inventing or giving the world {}?": """
        sushi: Japan; pizza: Italy; tango: Argentina; the sauna: Finland; gunpowder: China
        the kilt: Scotland; flamenco: Spain""",
    "Which planet {}?": """
        is called the Red Planet: Mars; has the most visible rings: Saturn; is closest to the Sun: Mercury
        is farthest from the Sun: Neptune; rotates on its side: Uranus; is the hottest: Venus""",
}


def facts() -> list[dict[str, object]]:
    """All facts, in the order of the templates."""
    rows: list[dict[str, object]] = []
    for template, text in TEMPLATES.items():
        for item in (item for line in text.strip().splitlines() for item in line.split(";")):
            subject, _, answers = item.strip().rpartition(": ")
            if not subject or not answers:
                raise SystemExit(f"{item!r} is no 'subject: answer'")
            rows.append({"question": template.format(subject), "answers": answers.split("/")})
    return rows


if __name__ == "__main__":
    TARGET.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in facts()), encoding="utf-8")
