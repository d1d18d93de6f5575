// A mirror ball in the evening sun, with coloured balls bouncing around it, for POV-Ray 3.7.
// The clock goes from 0 to 1 over the loop. raytracer/scene.py describes the same scene for the built-in renderer.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 6 }

#declare Turn = 2 * pi * clock;
#declare Balls = 7;
#declare Bounces = 2; // per round: a whole number, or the loop would jump
#declare Orbit = 2.15;
#declare BallRadius = 0.42;
#declare BounceHeight = 0.95;

camera {
    location <0.35 * sin(Turn), 2.75 + 0.12 * cos(Turn), -6.5>
    right x * image_width / image_height
    up y
    angle 62
    look_at <0, 1.06, 0>
}

// The evening sun, wide enough for soft shadows.
light_source {
    <-80 + 10 * sin(Turn), 56, 22>
    rgb <2.2, 1.66, 1.08>
    area_light x * 9, z * 9, 5, 5
    adaptive 1
    jitter
    circular
    orient
}

sky_sphere {
    pigment {
        gradient y
        color_map {
            [0.00 rgb <0.74, 0.42, 0.28>]
            [0.12 rgb <0.46, 0.32, 0.32>]
            [0.45 rgb <0.035, 0.10, 0.32>]
        }
    }
}

// Haze that lies on the floor: the tiles fade before they flicker, the sky stays clear.
fog { fog_type 2 distance 60 fog_offset 0.4 fog_alt 0.6 rgb <0.74, 0.42, 0.28> }

plane {
    y, 0
    pigment { checker rgb <0.62, 0.57, 0.50> rgb <0.035, 0.055, 0.10> }
    finish { ambient 0.10 diffuse 0.65 reflection { 0.06, 0.45 fresnel off } }
}

#macro Varnish() finish { ambient 0.12 diffuse 0.75 specular 0.7 roughness 0.004 reflection { 0.05, 0.8 } } #end
#macro Metal(Share) finish { ambient 0.03 diffuse 0.25 specular 0.9 roughness 0.003 metallic reflection { Share metallic } } #end

sphere {
    <0, 1.22 + 0.08 * sin(Turn), 0>, 1.05
    pigment { rgb <0.92, 0.94, 0.97> }
    Metal(0.85)
}

#declare Paints = array[Balls] {
    rgb <0.90, 0.16, 0.09>,
    rgb <1.00, 0.60, 0.17>, // gold
    rgb <0.93, 0.74, 0.10>,
    rgb <0.10, 0.55, 0.22>,
    rgb <0.95, 0.52, 0.38>, // copper
    rgb <0.06, 0.33, 0.80>,
    rgb <0.48, 0.12, 0.62>
}

#for (Number, 0, Balls - 1)
    #declare Angle = Turn + 2 * pi * Number / Balls;
    #declare Flight = mod(Bounces * clock + 0.41 * Number, 1);
    sphere {
        <Orbit * cos(Angle), BallRadius + BounceHeight * 4 * Flight * (1 - Flight), Orbit * sin(Angle)>, BallRadius
        pigment { Paints[Number] }
        #if (Number = 1 | Number = 4) Metal(0.6) #else Varnish() #end
    }
#end
