"""Datasets of some information object definitions (PS3.3 annex A), as complete as `dciodvfy` wants them."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from support.dicom_files import make_dataset, random_frames

STORAGE = "1.2.840.10008.5.1.4.1.1."


def items(*attributes):
    """Return items of a sequence, each made of its attributes."""
    found = []
    for values in attributes:
        item = Dataset()
        for keyword, value in values.items():
            setattr(item, keyword, value)
        found.append(item)
    return found


def code(value, scheme, meaning):
    return items({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})


def image(frames, bits_stored, class_uid, modality, **attributes):
    """Make a dataset with the modules that all images have."""
    ds = make_dataset(frames, bits_stored=bits_stored)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = STORAGE + class_uid
    ds.Modality = modality
    for keyword, value in {
        "PatientName": "Test^Image",
        "PatientID": "1",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyInstanceUID": generate_uid(entropy_srcs=["study"]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series"]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=["frame of reference"]),
        "PositionReferenceIndicator": "",
        "StudyDate": "20200101",
        "StudyTime": "120000",
        "ContentDate": "20200101",
        "ContentTime": "120000",
        "AcquisitionDateTime": "20200101120000",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": "1",
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "AcquisitionNumber": "1",
        "Manufacturer": "None",
        "ManufacturerModelName": "None",
        "DeviceSerialNumber": "1",
        "SoftwareVersions": "1",
        "BurnedInAnnotation": "NO",
        "PresentationLUTShape": "IDENTITY",
        "PatientOrientation": "",
        "Laterality": "",
        **attributes,
    }.items():
        setattr(ds, keyword, value)
    return ds


PLANE = {
    "ImagePositionPatient": [0, 0, 0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [1, 1],
    "SliceThickness": 1,
}
SIGNED = np.clip(random_frames((1, 16, 16), 12, signed=True), -1024, 1024)


def ct():
    values = {"RescaleIntercept": 0, "RescaleSlope": 1, "KVP": 120, "PatientPosition": "HFS"}
    return image(SIGNED, 12, "2", "CT", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], **PLANE, **values)


def mr():
    values = {
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "EchoTime": 10,
        "EchoTrainLength": 1,
        "RepetitionTime": 500,
        "PatientPosition": "HFS",
    }
    ds = image(
        random_frames((1, 16, 16), 12), 12, "4", "MR", ImageType=["ORIGINAL", "PRIMARY", "OTHER"], **PLANE, **values
    )
    del ds.PresentationLUTShape
    return ds


def us():
    frames = random_frames((1, 16, 16, 3), 8)
    return image(frames, 8, "6.1", "US", ImageType=["ORIGINAL", "PRIMARY"], LossyImageCompression="00")


def sc():
    frames = random_frames((1, 16, 16), 8)
    return image(frames, 8, "7", "OT", ImageType=["ORIGINAL", "PRIMARY"], ConversionType="WSD")


def xa():
    return image(
        random_frames((2, 16, 16), 12),
        12,
        "12.1",
        "XA",
        ImageType=["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
        PixelIntensityRelationship="LIN",
        KVP=70,
        RadiationSetting="SC",
        XRayTubeCurrent=100,
        ExposureTime=10,
        Exposure=1,
        FrameTime=100,
        FrameIncrementPointer=0x00181063,
        ImagerPixelSpacing=[0.2, 0.2],
        PositionerMotion="STATIC",
        PositionerPrimaryAngle=0,
        PositionerSecondaryAngle=0,
    )


def mg():
    return image(
        random_frames((1, 16, 16), 12),
        12,
        "1.2",
        "MG",
        ImageType=["ORIGINAL", "PRIMARY"],
        PresentationIntentType="FOR PRESENTATION",
        PixelIntensityRelationship="LOG",
        PixelIntensityRelationshipSign=-1,
        RescaleIntercept=0,
        RescaleSlope=1,
        RescaleType="US",
        WindowCenter=2048,
        WindowWidth=4096,
        LossyImageCompression="00",
        PatientOrientation=["P", "F"],
        ImageLaterality="L",
        ImagerPixelSpacing=[0.1, 0.1],
        PositionerType="MAMMOGRAPHIC",
        PartialView="NO",
        BreastImplantPresent="NO",
        OrganExposed="BREAST",
        AnatomicRegionSequence=code("76752008", "SCT", "Breast"),
        ViewCodeSequence=[],
        AcquisitionContextSequence=[],
    )


def _functional_groups(frame_type_sequence, **frame_type):
    shared = {
        "PixelMeasuresSequence": items({"PixelSpacing": [1, 1], "SliceThickness": 1}),
        "PlaneOrientationSequence": items({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}),
        "FrameAnatomySequence": items(
            {"FrameLaterality": "U", "AnatomicRegionSequence": code("69536005", "SCT", "Head")}
        ),
        "PixelValueTransformationSequence": items({"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US"}),
        frame_type_sequence: items(
            {
                "FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                "PixelPresentation": "MONOCHROME",
                "VolumetricProperties": "VOLUME",
                "VolumeBasedCalculationTechnique": "NONE",
                **frame_type,
            }
        ),
    }
    frames = [
        {
            "FrameContentSequence": items(
                {
                    "FrameReferenceDateTime": "20200101120000",
                    "FrameAcquisitionDateTime": "20200101120000",
                    "FrameAcquisitionDuration": 1.0,
                    "DimensionIndexValues": [number + 1],
                }
            ),
            "PlanePositionSequence": items({"ImagePositionPatient": [0, 0, number]}),
        }
        for number in range(2)
    ]
    organization = generate_uid(entropy_srcs=["dimensions"])
    return {
        "SharedFunctionalGroupsSequence": items(shared),
        "PerFrameFunctionalGroupsSequence": items(*frames),
        "DimensionOrganizationSequence": items({"DimensionOrganizationUID": organization}),
        "DimensionIndexSequence": items(
            {
                "DimensionIndexPointer": 0x00200032,
                "FunctionalGroupPointer": 0x00209113,
                "DimensionOrganizationUID": organization,
            }
        ),
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "LossyImageCompression": "00",
        "AcquisitionDuration": 1.0,
        "ContentQualification": "PRODUCT",
        "AcquisitionContextSequence": [],
        "PatientPosition": "HFS",
    }


def enhanced_ct():
    groups = _functional_groups("CTImageFrameTypeSequence")
    return image(np.repeat(SIGNED, 2, axis=0), 12, "2.1", "CT", **groups)


def enhanced_mr():
    contrast = {"ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T1"}
    groups = _functional_groups("MRImageFrameTypeSequence", **contrast)
    values = {"ResonantNucleus": "1H", "KSpaceFiltering": "NONE", "MagneticFieldStrength": 1.5, **contrast}
    return image(random_frames((2, 16, 16), 12), 12, "4.1", "MR", **groups, **values)


DATASETS = {function.__name__: function for function in (ct, mr, us, sc, xa, mg, enhanced_ct, enhanced_mr)}
