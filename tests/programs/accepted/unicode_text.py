größe = {"höhe": 3, "breite": 4}
text = "👩‍💻 naïve café \N{SNOWMAN} \u2603 שלום"
output = {"fläche": größe["höhe"] * größe["breite"], "length": len(text)}
